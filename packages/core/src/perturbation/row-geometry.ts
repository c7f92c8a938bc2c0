import type * as tf from '@tensorflow/tfjs-core'
import { assertShape } from '../errors.js'
import { filledTensor, floatsOf } from '../tensors/arrays.js'
import { copyRow, sameRow } from './row-loops.js'

/**
 * What a step of an attack takes, on one row of arrays: entries `start` to `stop`. The same formulas as on tensors,
 * in float64 and a few passes over a row that stays in the first cache.
 */
export interface RowGeometry {
  /** out ← the closest point of B(centre); `out` may be `points`. */
  project(
    centres: Float32Array,
    points: Float32Array,
    out: Float32Array,
    start: number,
    stop: number,
  ): void
  /** out ← x + step · (unit step of steepest ascent at x); x itself, bit for bit, where g = 0. */
  ascend(
    points: Float32Array,
    gradient: Float32Array,
    step: number,
    out: Float32Array,
    start: number,
    stop: number,
  ): void
  /** out ← the projection of the ascent, where one formula takes fewer passes than the two. */
  advance?(
    centres: Float32Array,
    points: Float32Array,
    gradient: Float32Array,
    step: number,
    out: Float32Array,
    start: number,
    stop: number,
  ): void
  /** out ← argmax of ⟨g, x⟩ over B(centre), where there is a formula for it. */
  maximise?(
    centres: Float32Array,
    gradient: Float32Array,
    out: Float32Array,
    start: number,
    stop: number,
  ): void
  /** Distance from the centre in the set's norm, likewise. */
  distance?(centres: Float32Array, points: Float32Array, start: number, stop: number): number
  readonly batches?: BatchGeometry
}

/** The same on all rows at once, where rows don't matter: false if it cannot be done, and `out` is as it was. */
interface BatchGeometry {
  project(centres: Float32Array, points: Float32Array, out: Float32Array): boolean
  /** `step` of all, or one a row. */
  advance(
    centres: Float32Array,
    points: Float32Array,
    gradient: Float32Array,
    step: number | Float32Array,
    out: Float32Array,
  ): boolean
}

/** `PerturbationSet.project` by rows; a row equal to its centre comes back as the centre, bit for bit. */
export function projectRows(
  rows: RowGeometry,
  centres: tf.Tensor2D,
  points: tf.Tensor2D,
): tf.Tensor2D {
  const [from, to] = [floatsOf(centres), floatsOf(points)]
  const [n, d] = centres.shape
  return filledTensor<tf.Rank.R2>(centres.shape, out => {
    const done = rows.batches?.project(from, to, out) ?? false
    for (let i = 0; i < n; i++) {
      const [start, stop] = [i * d, (i + 1) * d]
      if (sameRow(from, to, start, stop)) copyRow(from, out, start, stop)
      else if (!done) rows.project(from, to, out, start, stop)
    }
  })
}

/** `PerturbationSet.advance` by rows: what ends at the centre is the centre, bit for bit. `step` of all, or [n, 1]. */
export function advanceRows(
  rows: RowGeometry,
  centres: tf.Tensor2D,
  points: tf.Tensor2D,
  gradient: tf.Tensor2D,
  step: number | tf.Tensor2D,
): tf.Tensor2D {
  assertShape('points to advance', points.shape, centres.shape)
  const [from, at, along] = [floatsOf(centres), floatsOf(points), floatsOf(gradient)]
  const steps = typeof step === 'number' ? step : floatsOf(step)
  const [n, d] = centres.shape
  return filledTensor<tf.Rank.R2>(centres.shape, out => {
    const done = rows.batches?.advance(from, at, along, steps, out) ?? false
    for (let i = 0; i < n; i++) {
      const [start, stop] = [i * d, (i + 1) * d]
      const length = typeof steps === 'number' ? steps : steps[i]!
      if (!done && rows.advance) rows.advance(from, at, along, length, out, start, stop)
      else if (!done) rows.ascend(at, along, length, out, start, stop)
      if (sameRow(from, out, start, stop)) copyRow(from, out, start, stop)
      else if (!done && !rows.advance) rows.project(from, out, out, start, stop)
    }
  })
}

/** `PerturbationSet.maximiseLinear` by rows: where g = 0 the centre, bit for bit. */
export function maximiseRows(
  maximise: NonNullable<RowGeometry['maximise']>,
  centres: tf.Tensor2D,
  gradient: tf.Tensor2D,
): tf.Tensor2D {
  const [from, along] = [floatsOf(centres), floatsOf(gradient)]
  return eachRow(centres.shape, (out, start, stop) => {
    if (isZero(along, start, stop)) copyRow(from, out, start, stop)
    else maximise(from, along, out, start, stop)
  })
}

/** `PerturbationSet.distance` by rows: [n]. */
export function distanceRows(
  distance: NonNullable<RowGeometry['distance']>,
  centres: tf.Tensor2D,
  points: tf.Tensor2D,
): tf.Tensor1D {
  const [n, d] = centres.shape
  const [from, to] = [floatsOf(centres), floatsOf(points)]
  return filledTensor<tf.Rank.R1>([n], out => {
    for (let i = 0; i < n; i++) out[i] = distance(from, to, i * d, (i + 1) * d)
  })
}

/** The tensor [n, d] whose rows `fill` writes, entries start to stop. */
export function eachRow(
  shape: [number, number],
  fill: (out: Float32Array, start: number, stop: number) => void,
): tf.Tensor2D {
  const [n, d] = shape
  return filledTensor<tf.Rank.R2>(shape, out => {
    for (let i = 0; i < n; i++) fill(out, i * d, (i + 1) * d)
  })
}

function isZero(x: Float32Array, start: number, stop: number): boolean {
  for (let i = start; i < stop; i++) if (x[i] !== 0) return false
  return true
}
