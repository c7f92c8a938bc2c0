import * as tf from '@tensorflow/tfjs-core'
import { eachRowBlock, type Matrix, rowsOf } from '../tensors/matrix.js'

/** A matrix of shape [rows, cols] as a tensor, for those that are small: belongs to the caller. */
export function tensorOf({ rows, cols, data }: Matrix): tf.Tensor2D {
  return tf.tensor2d(data, [rows, cols])
}

/**
 * `eachRowBlock` over several matrices of one shape in step: `visit` sees the same rows of each. One block of each
 * matrix is held at a time.
 */
export function eachRowBlockTogether(
  matrices: readonly Matrix[],
  visit: (blocks: readonly tf.Tensor2D[], start: number, stop: number) => void,
): void {
  const [first, ...rest] = matrices
  if (first === undefined) return
  eachRowBlock(first, (block, start, stop) => {
    if (rest.length === 0) return visit([block], start, stop)
    const sameRows = rest.map(matrix => rowsOf(matrix, start, stop))
    eachRowBlockTogether(sameRows, others => visit([block, ...others], start, stop))
  })
}
