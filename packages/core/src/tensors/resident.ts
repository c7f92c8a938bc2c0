import * as tf from '@tensorflow/tfjs-core'
import type { Matrix } from './matrix.js'

/**
 * Copies of whole matrices in the memory of this thread's device, for backends that keep them: a pass then sends no
 * weights. The matrices are those of shared memory, which any thread may change, so a copy is good only until
 * `matricesChanged`.
 */
const copies = new Map<Float32Array, Copy>()

/** By the array that views the memory; a matrix is always seen through the same one. */
interface Copy {
  readonly tensor: tf.Tensor2D
  readonly backend: object
}

/** The matrix on the device, [rows, cols]: sent there at its first use. The tensor is not the caller's to dispose of. */
export function residentTensor({ rows, cols, data }: Matrix): tf.Tensor2D {
  const known = copies.get(data)
  if (known !== undefined && known.backend === tf.backend() && known.tensor.shape[1] === cols)
    return known.tensor
  known?.tensor.dispose()
  const tensor = tf.keep(tf.tensor2d(data, [rows, cols]))
  copies.set(data, { tensor, backend: tf.backend() })
  return tensor
}

/** Forgets all copies of this thread: the weights were written to, by this thread or by another. */
export function matricesChanged(): void {
  for (const { tensor } of copies.values()) tensor.dispose()
  copies.clear()
}
