import * as tf from '@tensorflow/tfjs-core'
import type { CudaStorage } from './cuda/storage.js'
import type { Matrix } from './matrix.js'

/**
 * Copies of whole matrices in the memory of this thread's device, for backends that keep them: a pass then sends no
 * weights. The matrices are those of shared memory, which any thread may change, so a copy is good only until
 * `matricesChanged`.
 */
const copies = new Map<ArrayBufferLike, Map<string, Copy>>()

/** One by the place that the matrix has in its buffer: rows of a matrix are another one. */
interface Copy {
  readonly tensor: tf.Tensor2D
  readonly backend: object
}

/** The matrix on the device, [rows, cols]: sent there at its first use. The tensor is not the caller's to dispose of. */
export function residentTensor(matrix: Matrix): tf.Tensor2D {
  const { rows, cols, data } = matrix
  const copy = copies.get(data.buffer)?.get(placeOf(matrix))
  if (copy !== undefined && copy.backend === tf.backend()) return copy.tensor
  copy?.tensor.dispose()
  const tensor = tf.keep(tf.tensor2d(data, [rows, cols]))
  keepResident(matrix, tensor)
  return tensor
}

/** Makes a kept tensor the copy of a matrix, whatever the host has: of weights that the device updates. */
export function keepResident(matrix: Matrix, tensor: tf.Tensor2D): void {
  const { buffer } = matrix.data
  const known = copies.get(buffer) ?? new Map<string, Copy>()
  copies.set(buffer, known)
  const storage = tf.backend()
  if ('stays' in storage) (storage as CudaStorage).stays(tensor)
  known.set(placeOf(matrix), { tensor, backend: storage })
}

function placeOf({ rows, cols, data }: Matrix): string {
  return `${data.byteOffset} ${rows} ${cols}`
}

/**
 * Forgets this thread's copies: the matrices were written to, by this thread or by another.
 *
 * @param matrices whose copies, and those of their rows, are forgotten; left out, all there are.
 */
export function matricesChanged(matrices?: readonly Matrix[]): void {
  const buffers = matrices?.map(({ data }) => data.buffer) ?? [...copies.keys()]
  for (const buffer of buffers) {
    for (const { tensor } of copies.get(buffer)?.values() ?? []) tensor.dispose()
    copies.delete(buffer)
  }
}
