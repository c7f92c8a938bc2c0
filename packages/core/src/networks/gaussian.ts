import { openStream } from '../random/stream.js'
import { allocateMatrix, type Matrix } from '../tensors/matrix.js'
import type { TrainedMatrix } from './network.js'

/**
 * A matrix of independent N(0, deviation²) entries. Row r is the stream (seed, purpose, example: r), so that any
 * worker can draw any rows again.
 */
export function gaussianMatrix(
  rows: number,
  cols: number,
  deviation: number,
  seed: number,
  purpose: string,
): Matrix {
  const matrix = allocateMatrix(rows, cols)
  const stream = openStream({ seed, purpose })
  for (let r = 0; r < rows; r++) {
    stream.reopen(r)
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
