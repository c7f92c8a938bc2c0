import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu'
import type * as tf from '@tensorflow/tfjs-core'
import { type Recycler, recycler } from './recycler.js'

/**
 * Where the backend's tensors live: typed arrays, as in the CPU backend whose kernels it shares.
 *
 * Results of our own kernels are written into arrays of freed tensors of the same length: a fresh array costs page
 * faults, which are as slow as the sums themselves. Only an array that nothing but our own kernels has seen is used
 * again. What was read by a caller (`dataSync`), or by a kernel of the CPU backend (whose results may be views of
 * it), is left to the garbage collector; so is every array that came from a caller.
 */
export class BlasStorage extends MathBackendCPU {
  readonly #free: Recycler
  /** Data whose array is nobody else's. */
  readonly #own = new WeakSet<object>()

  constructor(free: Recycler = recycler()) {
    super()
    this.#free = free
  }

  override write(
    values: tf.backend_util.BackendValues,
    _shape: number[],
    dtype: tf.DataType,
  ): tf.DataId {
    const id = {}
    this.data.set(id, { values, dtype, refCount: 1 })
    return id
  }

  /** Float32 numbers of a tensor. A tensor cast from int32 or bool keeps integers in memory: those are converted. */
  floats({ dataId }: tf.TensorInfo): Float32Array {
    const { values } = this.data.get(dataId)
    return values instanceof Float32Array ? values : Float32Array.from(values as Int32Array)
  }

  /** An array for a result: its contents are undefined, and `output` must take it. */
  allocate(length: number): Float32Array {
    return this.#free.take(length) ?? new Float32Array(length)
  }

  /** The tensor of an array from `allocate`. */
  output(shape: number[], values: Float32Array): tf.TensorInfo {
    const dataId = this.write(values, shape, 'float32')
    this.#own.add(dataId)
    return { dataId, shape, dtype: 'float32' }
  }

  /** Somebody else sees the tensor's array from now on. */
  release({ dataId }: { readonly dataId: tf.DataId }): void {
    this.#own.delete(dataId)
  }

  override readSync(dataId: tf.DataId): tf.backend_util.BackendValues {
    this.#own.delete(dataId)
    return super.readSync(dataId)
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    const held = this.data.has(dataId) ? this.data.get(dataId).values : undefined
    const gone = super.disposeData(dataId, force)
    if (gone && held instanceof Float32Array && this.#own.delete(dataId)) this.#free.give(held)
    return gone
  }
}
