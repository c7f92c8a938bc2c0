import { openStream } from '../random/stream.js'
import { allocateMatrix, type Matrix, type RowRange } from '../tensors/matrix.js'
import type { TrainedMatrix } from './network.js'

/**
 * A matrix of independent N(0, deviation²) entries. Row r is the stream (seed, purpose, example: r), so that any
 * worker can draw any rows again, and a machine only those that it holds.
 *
 * @param rows all of them, or which of a larger matrix.
 */
export function gaussianMatrix(
  rows: number | RowRange,
  cols: number,
  deviation: number,
  seed: number,
  purpose: string,
): Matrix {
  const { start, stop } = typeof rows === 'number' ? { start: 0, stop: rows } : rows
  const matrix = allocateMatrix(stop - start, cols)
  const stream = openStream({ seed, purpose })
  for (let r = 0; r < matrix.rows; r++) {
    stream.reopen(start + r)
    stream.fillNormal(matrix.data.subarray(r * cols, (r + 1) * cols), deviation)
  }
  return matrix
}

/**
 * A trained matrix at its start: weights W_0, displacement 0. `initial` is kept, not copied, so that the copies of a
 * mirrored network share it.
 */
export function trainedMatrix(name: string, initial: Matrix): TrainedMatrix {
  const { rows, cols } = initial
  const weights = allocateMatrix(rows, cols)
  weights.data.set(initial.data)
  return { name, weights, initial, displacement: allocateMatrix(rows, cols) }
}
