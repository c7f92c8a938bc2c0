import * as tf from '@tensorflow/tfjs-core'
import { assertShape, SaddleError } from '../errors.js'
import type { TrainedMatrix } from '../networks/network.js'
import type { Matrix } from '../tensors/matrix.js'
import { scoped } from '../tensors/scope.js'
import type { ComparisonSums, ProposalSums } from './sums.js'

/**
 * One step of projected gradient descent on one trained matrix (Section 3 of the paper), in three phases over row
 * ranges [start, stop):
 *
 *   propose   V − W_0 = D − α G, into the `weights` array, which is scratch until `apply`;   measures ‖V − W_0‖
 *   accept    D ← c (V − W_0)        c: the projection's scale, known once all ranges of all matrices are measured
 *   apply     W ← W_0 + D
 *
 * A folded matrix goes through the same phases with Z for D, and B = B_0 + Z M for W; `image` keeps Z M.
 *
 * Every phase reads only what it does not write, so a range left half done by a worker that died is done again
 * with the same result. All ranges must be through one phase before the next one starts. What is stored doesn't
 * depend on how ranges are cut (for a folded matrix: if the backend's product of a row doesn't depend on the
 * other rows); the sums' last bits do, so callers use the fixed ranges of `rowBlocks(rows, cols)`.
 */

/**
 * First phase. Costs one pass over the rows, and another with a comparator; for a folded matrix two products with M
 * more (five with a comparator), 2·rows·cols² flops each.
 *
 * @param gradient [stop − start, cols]: rows of ∇L_A in W (in Z for a folded matrix: signal · input). Not disposed of.
 * @param stepSize α > 0.
 * @param comparator [rows, cols]: W† − W_0 (for a folded matrix Z†), to measure `comparison`.
 * @throws SaddleError SHAPE, RANGE.
 */
export function propose(
  matrix: TrainedMatrix,
  gradient: tf.Tensor2D | Float32Array,
  start: number,
  stop: number,
  stepSize: number,
  comparator?: Matrix,
): ProposalSums {
  const { rows, cols } = matrix.weights
  assertRange(matrix, start, stop)
  if (comparator !== undefined)
    assertShape(`comparator of ${matrix.name}`, [comparator.rows, comparator.cols], [rows, cols])
  const update: Update = {
    displacement: rowsOf(matrix.displacement, start, stop),
    gradient: gradientRows(matrix, gradient, stop - start),
    proposal: rowsOf(matrix.weights, start, stop),
    comparator: comparator === undefined ? null : rowsOf(comparator, start, stop),
    stepSize,
  }
  if (matrix.folded === undefined) return proposePlain(update)
  return proposeFolded(update, matrix.folded.metric, rowsOf(matrix.folded.image, start, stop))
}

/** Second phase: D ← c · proposal (Z ← c · Z'). `scale`: c in [0, 1], as `ballScales` gives it. */
export function accept(matrix: TrainedMatrix, start: number, stop: number, scale: number): void {
  assertRange(matrix, start, stop)
  const proposal = rowsOf(matrix.weights, start, stop)
  const displacement = rowsOf(matrix.displacement, start, stop)
  for (let i = 0; i < displacement.length; i++) displacement[i] = scale * proposal[i]!
}

/**
 * Third phase: W ← W_0 + D (B ← B_0 + Z M). `scale`: the same c as in `accept`. Where it is 1, `image` already
 * holds Z M; otherwise a folded matrix costs another product, so that its weights have the same bits as `restore`
 * gives them from Z alone.
 */
export function apply(matrix: TrainedMatrix, start: number, stop: number, scale: number): void {
  assertRange(matrix, start, stop)
  if (scale !== 1) refreshImage(matrix, start, stop)
  addChange(matrix, start, stop)
}

/**
 * W = W_0 + D (B = B_0 + Z M) from `initial` and `displacement` alone, to the bit as `apply` left it when given the
 * same ranges: after reading a checkpoint, or to set a comparator's weights.
 */
export function restore(matrix: TrainedMatrix, start: number, stop: number): void {
  assertRange(matrix, start, stop)
  refreshImage(matrix, start, stop)
  addChange(matrix, start, stop)
}

function refreshImage({ displacement, folded }: TrainedMatrix, start: number, stop: number): void {
  if (folded === undefined) return
  const z = rowsOf(displacement, start, stop)
  rowsOf(folded.image, start, stop).set(timesMetric(z, folded.metric))
}

function addChange(matrix: TrainedMatrix, start: number, stop: number): void {
  const weights = rowsOf(matrix.weights, start, stop)
  const initial = rowsOf(matrix.initial, start, stop)
  const change = rowsOf(matrix.folded?.image ?? matrix.displacement, start, stop)
  for (let i = 0; i < weights.length; i++) weights[i] = initial[i]! + change[i]!
}

/** The rows of one update, as views. */
interface Update {
  readonly displacement: Float32Array
  readonly gradient: Float32Array
  readonly proposal: Float32Array
  readonly comparator: Float32Array | null
  readonly stepSize: number
}

function proposePlain(update: Update): ProposalSums {
  const { displacement, gradient, proposal, comparator, stepSize } = update
  let normSquared = 0
  let gradientSquared = 0
  let comparison: ComparisonSums | null = null
  if (comparator !== null) comparison = comparePlain(update, comparator)
  for (let i = 0; i < proposal.length; i++) {
    const g = gradient[i]!
    const v = Math.fround(displacement[i]! - stepSize * g)
    proposal[i] = v
    normSquared += v * v
    gradientSquared += g * g
  }
  return { normSquared, gradientSquared, comparison }
}

function comparePlain(update: Update, comparator: Float32Array): ComparisonSums {
  const { displacement, gradient, stepSize } = update
  let inner = 0
  let distanceSquared = 0
  let proposedSquared = 0
  let comparatorSquared = 0
  for (let i = 0; i < comparator.length; i++) {
    const d = displacement[i]!
    const g = gradient[i]!
    const c = comparator[i]!
    const before = d - c
    const after = Math.fround(d - stepSize * g) - c
    inner += g * before
    distanceSquared += before * before
    proposedSquared += after * after
    comparatorSquared += c * c
  }
  return { inner, distanceSquared, proposedSquared, comparatorSquared }
}

/** Z' = Z − α G and its image Z' M; ⟨X, Y⟩ = Σ X∘(Y M), which is the Frobenius product of X Aᵀ and Y Aᵀ. */
function proposeFolded(update: Update, metric: Matrix, image: Float32Array): ProposalSums {
  const { displacement, gradient, proposal, comparator, stepSize } = update
  for (let i = 0; i < proposal.length; i++) proposal[i] = displacement[i]! - stepSize * gradient[i]!
  image.set(timesMetric(proposal, metric))
  const normSquared = dot(proposal, image)
  const gradientSquared = dot(gradient, timesMetric(gradient, metric))
  if (comparator === null) return { normSquared, gradientSquared, comparison: null }
  const before = difference(displacement, comparator)
  const after = difference(proposal, comparator)
  const beforeImage = timesMetric(before, metric)
  const comparison = {
    inner: dot(gradient, beforeImage),
    distanceSquared: dot(before, beforeImage),
    proposedSquared: dot(after, timesMetric(after, metric)),
    comparatorSquared: dot(comparator, timesMetric(comparator, metric)),
  }
  return { normSquared, gradientSquared, comparison }
}

/** X M for rows X, on the current backend. */
function timesMetric(x: Float32Array, metric: Matrix): Float32Array {
  const { rows, cols, data } = metric
  return scoped(() =>
    tf
      .matMul(tf.tensor2d(x, [x.length / rows, rows]), tf.tensor2d(data, [rows, cols]))
      .dataSync<'float32'>(),
  )
}

/** Σ x∘y in float64. */
function dot(x: Float32Array, y: Float32Array): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!
  return sum
}

function difference(x: Float32Array, y: Float32Array): Float32Array {
  const out = new Float32Array(x.length)
  for (let i = 0; i < out.length; i++) out[i] = x[i]! - y[i]!
  return out
}

function rowsOf({ cols, data }: Matrix, start: number, stop: number): Float32Array {
  return data.subarray(start * cols, stop * cols)
}

function gradientRows(
  matrix: TrainedMatrix,
  gradient: tf.Tensor2D | Float32Array,
  count: number,
): Float32Array {
  const { cols } = matrix.weights
  const what = `gradient rows of ${matrix.name}`
  if (gradient instanceof Float32Array) {
    assertShape(what, [gradient.length / cols, cols], [count, cols])
    return gradient
  }
  assertShape(what, gradient.shape, [count, cols])
  return gradient.dataSync<'float32'>()
}

function assertRange({ name, weights }: TrainedMatrix, start: number, stop: number): void {
  if (0 <= start && start < stop && stop <= weights.rows) return
  throw new SaddleError(
    'RANGE',
    `Rows to update of ${name}: expected 0 ≤ start < stop ≤ ${weights.rows}, got ${start}..${stop}. Use the ranges of rowBlocks.`,
    { name, start, stop, rows: weights.rows },
  )
}
