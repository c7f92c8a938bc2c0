import * as tf from '@tensorflow/tfjs-core'
import { currentBackend } from './backends.js'
import type { BlasStorage } from './blas/storage.js'

/**
 * Tensors as arrays. On a backend that shares memory a float32 tensor is a Float32Array of this thread: a loop may
 * read it where it lies and make the next one, without a kernel for every operation. Any other backend has a memory
 * of its own, from and to which numbers are copied.
 */

/** True where that is so: elsewhere TensorFlow.js should compute. */
export function tensorsAreArrays(): boolean {
  return currentBackend().sharesMemory
}

/** The numbers of a float32 tensor, in place: to be read while the tensor lives, and not to be written. */
export function floatsOf(tensor: tf.Tensor): Float32Array {
  return recyclingStorage()?.floats(tensor) ?? tensor.dataSync<'float32'>()
}

/** A tensor of the numbers in `values`; those are the tensor's own, not a copy: whoever writes to them changes it. */
export function tensorFrom<R extends tf.Rank>(
  values: Float32Array,
  shape: tf.ShapeMap[R],
): tf.Tensor<R> {
  return tf.tensor(values, shape, 'float32')
}

/**
 * A new float32 tensor whose numbers `fill` writes, every one of them: what the array holds before is undefined. It
 * is the array of a freed tensor where the backend keeps those, so `fill` must not keep it.
 */
export function filledTensor<R extends tf.Rank>(
  shape: tf.ShapeMap[R],
  fill: (out: Float32Array) => void,
): tf.Tensor<R> {
  const storage = recyclingStorage()
  const size = tf.util.sizeFromShape(shape)
  const out = storage === null ? new Float32Array(size) : storage.allocate(size)
  fill(out)
  if (storage === null) return tensorFrom(out, shape)
  const info = storage.output(shape as number[], out)
  return tf.engine().makeTensorFromTensorInfo(info, storage) as tf.Tensor<R>
}

/** The storage of `blas`, which uses the arrays of freed tensors again; null on `cpu`. */
function recyclingStorage(): BlasStorage | null {
  const storage = tf.backend()
  return 'allocate' in storage ? (storage as BlasStorage) : null
}
