import type * as tf from '@tensorflow/tfjs-core'
import { assertShape, SaddleError } from '../errors.js'
import type { TrainedMatrix } from '../networks/network.js'
import type { Matrix } from '../tensors/matrix.js'
import type { ComparisonSums, ProposalSums } from './sums.js'

/**
 * One step of projected gradient descent on one trained matrix (Section 3 of the paper), in two phases over row
 * ranges [start, stop):
 *
 *   propose   V − W_0 = D − α G, into the `weights` array, which is scratch until it is settled; measures ‖V − W_0‖
 *   settle    D ← c (V − W_0),  W ← W_0 + D     c: the projection's scale, known once all ranges are measured
 *
 * A range left half done by a worker that died is done again with the same result: `propose` never reads what it
 * writes, and `settle` keeps a journal. All ranges must be through one phase before the next one starts. What is stored
 * doesn't depend on how ranges are cut; the sums' last bits do, so callers use the fixed ranges of `rowBlocks(rows, cols)`.
 */

/**
 * First phase. Costs one pass over the rows, and another with a comparator.
 *
 * @param gradient [stop − start, cols]: rows of ∇L_A in W. Not disposed of.
 * @param stepSize α > 0.
 * @param comparator [rows, cols]: W† − W_0, to measure `comparison`.
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
    stepSize,
  }
  const comparison =
    comparator === undefined ? null : compareRows(update, rowsOf(comparator, start, stop))
  return { ...proposeRows(update), comparison }
}

/** Numbers done at a time, and between two entries in the journal: D, W and W_0 of so many, 384 KiB, stay in cache. */
const CHUNK = 1 << 15

/** What a journal says of a chunk: `weights` holds V − W_0; D is its new self; so is W. */
const PROPOSED = 0
const ACCEPTED = 1
const SETTLED = 2

/** Entries of the journal of `rows` rows: one for every 2¹⁵ numbers, in order. */
export function journalLength(rows: number, cols: number): number {
  return Math.ceil((rows * cols) / CHUNK)
}

/**
 * Second phase: D ← c (V − W_0), W ← W_0 + D, chunk by chunk, one pass over memory.
 *
 * In V's place W is written, so a range begun can't simply be begun again. The journal says how far it got: a chunk
 * whose D was stored goes on from D, one that is settled is left alone, and what is half written is written again from
 * what is whole. Entries are stored after what they vouch for (Atomics), so that another thread may go on.
 *
 * @param scale c in [0, 1], as `ballScales` gives it.
 * @param journal [journalLength(stop − start, cols)] of zeros, in shared memory if another thread may have to go on:
 *   then with the same arguments. Left out, the range must be settled by this call alone.
 * @throws SaddleError RANGE, SHAPE.
 */
export function settle(
  matrix: TrainedMatrix,
  start: number,
  stop: number,
  scale: number,
  journal?: Int32Array,
): void {
  assertRange(matrix, start, stop)
  const length = journalLength(stop - start, matrix.weights.cols)
  const states = journal ?? new Int32Array(length)
  assertShape(`journal of ${matrix.name}`, [states.length], [length])
  const weights = rowsOf(matrix.weights, start, stop)
  const initial = rowsOf(matrix.initial, start, stop)
  const displacement = rowsOf(matrix.displacement, start, stop)
  for (let chunk = 0; chunk < length; chunk++) {
    const first = chunk * CHUNK
    const last = Math.min(weights.length, first + CHUNK)
    if (Atomics.load(states, chunk) === PROPOSED) {
      writeScaled(displacement, scale, weights, first, last)
      Atomics.store(states, chunk, ACCEPTED)
    }
    if (Atomics.load(states, chunk) === ACCEPTED) {
      writeSum(weights, initial, displacement, first, last)
      Atomics.store(states, chunk, SETTLED)
    }
  }
}

/**
 * W = W_0 + D from `initial` and `displacement` alone, to the bit as `settle` left it: after reading a checkpoint, or
 * to set a comparator's weights.
 */
export function restore(matrix: TrainedMatrix, start: number, stop: number): void {
  assertRange(matrix, start, stop)
  const weights = rowsOf(matrix.weights, start, stop)
  const initial = rowsOf(matrix.initial, start, stop)
  const displacement = rowsOf(matrix.displacement, start, stop)
  writeSum(weights, initial, displacement, 0, weights.length)
}

/** out ← c x at first..last, four numbers a turn, which takes two thirds of the time of one. */
function writeScaled(
  out: Float32Array,
  c: number,
  x: Float32Array,
  first: number,
  last: number,
): void {
  let i = first
  for (; i + 4 <= last; i += 4) {
    out[i] = c * x[i]!
    out[i + 1] = c * x[i + 1]!
    out[i + 2] = c * x[i + 2]!
    out[i + 3] = c * x[i + 3]!
  }
  for (; i < last; i++) out[i] = c * x[i]!
}

/** out ← x + y at first..last, likewise. */
function writeSum(
  out: Float32Array,
  x: Float32Array,
  y: Float32Array,
  first: number,
  last: number,
): void {
  let i = first
  for (; i + 4 <= last; i += 4) {
    out[i] = x[i]! + y[i]!
    out[i + 1] = x[i + 1]! + y[i + 1]!
    out[i + 2] = x[i + 2]! + y[i + 2]!
    out[i + 3] = x[i + 3]! + y[i + 3]!
  }
  for (; i < last; i++) out[i] = x[i]! + y[i]!
}

/** The rows of one update, as views. */
interface Update {
  readonly displacement: Float32Array
  readonly gradient: Float32Array
  readonly proposal: Float32Array
  readonly stepSize: number
}

/**
 * V − W_0 = D − α G and the sums of its squares and those of G, in float64, chunk by chunk: a loop over all rows at
 * once, entered rarely, is compiled before its end was ever seen, and thrown away at each end.
 */
function proposeRows(update: Update): Omit<ProposalSums, 'comparison'> {
  const { length } = update.proposal
  let normSquared = 0
  let gradientSquared = 0
  for (let first = 0; first < length; first += CHUNK) {
    const part = proposeChunk(update, first, Math.min(length, first + CHUNK))
    normSquared += part.normSquared
    gradientSquared += part.gradientSquared
  }
  return { normSquared, gradientSquared }
}

/**
 * Four sums each, over every fourth number from 0, 1, 2 and 3 on (what follows the last whole four goes to the first),
 * added as s₀ + s₁ + (s₂ + s₃): a single sum would wait for each addition before the next.
 */
function proposeChunk(
  { displacement, gradient, proposal, stepSize }: Update,
  first: number,
  last: number,
): Omit<ProposalSums, 'comparison'> {
  let vv0 = 0
  let vv1 = 0
  let vv2 = 0
  let vv3 = 0
  let gg0 = 0
  let gg1 = 0
  let gg2 = 0
  let gg3 = 0
  let i = first
  for (; i + 4 <= last; i += 4) {
    const g0 = gradient[i]!
    const g1 = gradient[i + 1]!
    const g2 = gradient[i + 2]!
    const g3 = gradient[i + 3]!
    const v0 = Math.fround(displacement[i]! - stepSize * g0)
    const v1 = Math.fround(displacement[i + 1]! - stepSize * g1)
    const v2 = Math.fround(displacement[i + 2]! - stepSize * g2)
    const v3 = Math.fround(displacement[i + 3]! - stepSize * g3)
    proposal[i] = v0
    proposal[i + 1] = v1
    proposal[i + 2] = v2
    proposal[i + 3] = v3
    vv0 += v0 * v0
    vv1 += v1 * v1
    vv2 += v2 * v2
    vv3 += v3 * v3
    gg0 += g0 * g0
    gg1 += g1 * g1
    gg2 += g2 * g2
    gg3 += g3 * g3
  }
  for (; i < last; i++) {
    const g = gradient[i]!
    const v = Math.fround(displacement[i]! - stepSize * g)
    proposal[i] = v
    vv0 += v * v
    gg0 += g * g
  }
  return { normSquared: vv0 + vv1 + (vv2 + vv3), gradientSquared: gg0 + gg1 + (gg2 + gg3) }
}

function compareRows(update: Update, comparator: Float32Array): ComparisonSums {
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
