import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import type { FusedKernels } from '../fused.js'
import { address, integer } from './arguments.js'
import { FILL } from './fill.js'
import { cudaFused } from './fused.js'
import type { DeviceBuffer } from './memory.js'
import { NARROW } from './narrow.js'
import type { HostArray } from './native.js'
import type { Runtime } from './runtime.js'

/** Types that the device computes with, and the arrays that hold them on the host. */
const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const
export type DeviceType = keyof typeof ARRAYS

export function isDeviceType(dtype: tf.DataType): dtype is DeviceType {
  return dtype in ARRAYS
}

export function bytesPerElement(dtype: DeviceType): number {
  return ARRAYS[dtype].BYTES_PER_ELEMENT
}

/** Where a tensor's numbers begin on the device. */
interface Place {
  readonly buffer: DeviceBuffer
  /** Bytes from the beginning of the buffer. */
  readonly offset: number
}

/**
 * The numbers of a tensor: on the host, on the device, or on both. The kernels of the CPU backend look at `values`,
 * which reads them back from the device; those of the device call `deviceAddress`, which sends them there.
 */
class TensorNumbers {
  readonly dtype: tf.DataType
  readonly length: number
  refCount: number
  complexTensorInfos?: { real: tf.TensorInfo; imag: tf.TensorInfo }
  host: tf.backend_util.BackendValues | undefined
  place: Place | null
  readonly #read: (numbers: TensorNumbers) => HostArray

  constructor(
    read: (numbers: TensorNumbers) => HostArray,
    dtype: tf.DataType,
    length: number,
    refCount: number,
    host: tf.backend_util.BackendValues | undefined,
    place: Place | null,
  ) {
    this.#read = read
    this.dtype = dtype
    this.length = length
    this.refCount = refCount
    this.host = host
    this.place = place
  }

  /** Undefined for complex tensors, which are two others. */
  get values(): tf.backend_util.BackendValues | undefined {
    if (this.host !== undefined || this.place === null) return this.host
    return this.#read(this) as tf.backend_util.BackendValues
  }
}

/** Where the backend's tensors live: in the memory of a device, and on the host what has not been needed there yet. */
export class CudaStorage extends MathBackendCPU {
  readonly runtime: Runtime
  readonly fused: FusedKernels = cudaFused(this)
  /** Buffers that hold tensors now: what is left when the backend is closed. */
  readonly #held = new Set<DeviceBuffer>()

  constructor(runtime: Runtime) {
    super()
    this.runtime = runtime
  }

  override write(
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
  ): tf.DataId {
    const id = {}
    this.move(id, values, shape, dtype, 1)
    return id
  }

  override move(
    dataId: tf.DataId,
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    this.data.set(
      dataId,
      this.#numbers(dtype, tf.util.sizeFromShape(shape), refCount, values, null),
    )
  }

  /** A tensor on the device whose numbers are undefined until a kernel writes them. */
  output(shape: readonly number[], dtype: DeviceType): tf.TensorInfo {
    const length = tf.util.sizeFromShape([...shape])
    const buffer = this.runtime.memory.take(length * bytesPerElement(dtype))
    this.#held.add(buffer)
    return this.#tensor(shape, dtype, { buffer, offset: 0 })
  }

  /** A tensor that is a piece of another one's memory, from its element `start` on. */
  view(of: tf.TensorInfo, start: number, shape: readonly number[]): tf.TensorInfo {
    const dtype = of.dtype as DeviceType
    this.deviceAddress(of)
    const { buffer, offset } = this.#of(of.dataId).place!
    buffer.users++
    return this.#tensor(shape, dtype, { buffer, offset: offset + start * bytesPerElement(dtype) })
  }

  /** True if a tensor's numbers are on the device, and on the device only. */
  isOnlyOnDevice({ dataId }: tf.TensorInfo): boolean {
    const { host, place } = this.#of(dataId)
    return host === undefined && place !== null
  }

  /** The number of a tensor that has just one, which is not on the device; null for any other. */
  numberOnHost({ dataId }: tf.TensorInfo): number | null {
    const { host, place, length } = this.#of(dataId)
    return length === 1 && place === null && host !== undefined ? Number(host[0]) : null
  }

  /** The type of a tensor's numbers in memory. */
  dtypeOf({ dataId }: tf.TensorInfo): tf.DataType {
    return this.#of(dataId).dtype
  }

  /** Where a tensor lies on the device; it is sent there if it isn't there yet. */
  deviceAddress({ dataId }: tf.TensorInfo): number {
    const numbers = this.#of(dataId)
    numbers.place ??= this.#send(numbers)
    return numbers.place.buffer.address + numbers.place.offset
  }

  /** Says that a float32 tensor stays on the device for many products: its copy in bf16 is then kept, too. */
  stays(tensor: tf.TensorInfo): void {
    const numbers = this.#of(tensor.dataId)
    numbers.place ??= this.#send(numbers, true)
    this.runtime.memory.stay(numbers.place.buffer, numbers.length)
  }

  /** Says that a tensor that stays has other numbers now. */
  changed({ dataId }: tf.TensorInfo): void {
    const { stays } = this.#of(dataId).place!.buffer
    if (stays === null || stays.narrow === null) return
    this.#release(stays.narrow)
    stays.narrow = null
  }

  /** A float32 tensor's numbers in bf16, until `release`. Of a matrix that stays they are kept. */
  narrowed(tensor: tf.TensorInfo): { readonly address: number; release(): void } {
    this.deviceAddress(tensor)
    const { place, length } = this.#of(tensor.dataId)
    const { buffer, offset } = place!
    if (buffer.stays === null) {
      const copy = this.#narrow(buffer.address + offset, length)
      return { address: copy.address, release: () => this.#release(copy) }
    }
    const { length: all } = buffer.stays
    const narrow = buffer.stays.narrow ?? this.#narrow(buffer.address, all, true)
    if (narrow !== buffer.stays.narrow) this.runtime.memory.stay(narrow, 0)
    buffer.stays.narrow = narrow
    return { address: narrow.address + offset / 2, release: () => {} }
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    const place = this.data.has(dataId) ? this.#of(dataId).place : null
    const gone = super.disposeData(dataId, force)
    if (gone && place !== null) this.#release(place.buffer)
    return gone
  }

  /** Bytes on the device beside what TensorFlow.js counts. */
  override memory() {
    return { unreliable: false, reasons: [] as string[], ...this.runtime.memory.state }
  }

  override dispose(): void {
    for (const buffer of this.#held) this.runtime.memory.give(buffer)
    this.#held.clear()
    this.runtime.close()
  }

  #of(dataId: tf.DataId): TensorNumbers {
    return this.data.get(dataId) as unknown as TensorNumbers
  }

  #tensor(shape: readonly number[], dtype: DeviceType, place: Place): tf.TensorInfo {
    const dataId = {}
    const length = tf.util.sizeFromShape([...shape])
    this.data.set(dataId, this.#numbers(dtype, length, 1, undefined, place))
    return { dataId, shape: [...shape], dtype }
  }

  #numbers(
    dtype: tf.DataType,
    length: number,
    refCount: number,
    host: tf.backend_util.BackendValues | undefined,
    place: Place | null,
  ): ReturnType<typeof this.data.get> {
    const read = (numbers: TensorNumbers) => this.#read(numbers)
    // The CPU backend's record of a tensor, with `values` read when they are asked for.
    return new TensorNumbers(read, dtype, length, refCount, host, place) as unknown as ReturnType<
      typeof this.data.get
    >
  }

  /** A fresh array each time: whoever reads may write to it. */
  #read({ dtype, length, place }: TensorNumbers): HostArray {
    const array = new ARRAYS[dtype as DeviceType](length)
    const { buffer, offset } = place!
    if (length > 0) this.runtime.device.download(array, buffer.address + offset)
    return array
  }

  #send({ dtype, host, length }: TensorNumbers, toStay = false): Place {
    const Wanted = ARRAYS[dtype as DeviceType]
    const array = host instanceof Wanted ? host : Wanted.from((host ?? []) as ArrayLike<number>)
    const buffer = this.runtime.memory.take(array.byteLength, toStay)
    this.#held.add(buffer)
    // One number, as most constants are, goes along with a launch: nothing waits for it.
    if (array.length === 1) this.#fill(buffer.address, array)
    else if (length > 0) this.runtime.device.upload(buffer.address, array)
    return { buffer, offset: 0 }
  }

  #fill(to: number, one: Float32Array | Int32Array | Uint8Array): void {
    const wide = one.BYTES_PER_ELEMENT === 4
    const bits = wide ? new Int32Array(one.buffer, one.byteOffset, 1)[0]! : one[0]!
    this.runtime.launch(FILL, wide ? 'fill_4' : 'fill_1', 1, [address(to), integer(bits)])
  }

  #narrow(from: number, length: number, toStay = false): DeviceBuffer {
    const copy = this.runtime.memory.take(2 * length, toStay)
    this.#held.add(copy)
    this.runtime.launch(NARROW, 'narrow', length, [address(from), address(copy.address)])
    return copy
  }

  #release(buffer: DeviceBuffer): void {
    buffer.users--
    if (buffer.users > 0) return
    const narrow = buffer.stays?.narrow ?? null
    if (narrow !== null) this.#release(narrow)
    this.#held.delete(buffer)
    this.runtime.memory.give(buffer)
  }
}
