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
}

/** `PerturbationSet.project` by rows; a row equal to its centre comes back as the centre, bit for bit. */
export function projectRows(
  rows: RowGeometry,
  centres: tf.Tensor2D,
  points: tf.Tensor2D,
): tf.Tensor2D {
  const [from, to] = [floatsOf(centres), floatsOf(points)]
  return eachRow(centres.shape, (out, start, stop) => {
    if (sameRow(from, to, start, stop)) copyRow(from, out, start, stop)
    else rows.project(from, to, out, start, stop)
  })
}

/** `PerturbationSet.advance` by rows: what ends at the centre is the centre, bit for bit. */
export function advanceRows(
  rows: RowGeometry,
  centres: tf.Tensor2D,
  points: tf.Tensor2D,
  gradient: tf.Tensor2D,
  step: number,
): tf.Tensor2D {
  assertShape('points to advance', points.shape, centres.shape)
  const [from, at, along] = [floatsOf(centres), floatsOf(points), floatsOf(gradient)]
  return eachRow(centres.shape, (out, start, stop) => {
    if (rows.advance) rows.advance(from, at, along, step, out, start, stop)
    else rows.ascend(at, along, step, out, start, stop)
    if (sameRow(from, out, start, stop)) copyRow(from, out, start, stop)
    else if (!rows.advance) rows.project(from, out, out, start, stop)
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
