import * as tf from '@tensorflow/tfjs-core'
import { ballReach, compatibilityOf, euclideanMeeting } from './compatibility.js'
import { drawAround, inBall, onSphere } from './draws.js'
import { checkedSpec, identityChart, type TensorGeometry, withExactCentres } from './exact.js'
import { combine, copyRow, distance, stepAlong } from './row-loops.js'
import { flat, nonZero, pickRows, rowNorm, unitRows } from './rows.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * The l2 ball of Section 3: B(x_0) = { x : ‖x − x_0‖₂ ≤ δ }, in the units of the inputs.
 *
 *   project z          x_0 + (z − x_0) min(1, δ/‖z − x_0‖)
 *   argmax of ⟨g, x⟩   x_0 + δ g/‖g‖
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function l2Ball(radius: number): PerturbationSet {
  const spec = checkedSpec('l2', radius)
  const set: TensorGeometry = {
    ...identityChart,
    spec,
    radius,
    diameter: 2 * radius,
    contains: (centres, points, tolerance = TOLERANCE) =>
      tf.lessEqual(l2Distance(centres, points), radius + tolerance),
    project: (centres, points) => projectL2(centres, points, radius),
    maximiseLinear: (centres, gradient) => tf.add(centres, tf.mul(radius, unitRows(gradient))),
    steepest: (_points, gradient) => unitRows(gradient),
    sample: (centres, streams, kind) =>
      drawAround(centres, streams, radius, kind === 'border' ? onSphere : inBall),
    distance: l2Distance,
    compatibility: data => compatibilityOf(data, radius, euclideanMeeting(ballReach)),
  }
  return withExactCentres(set, {
    project(centres, points, out, start, stop) {
      const scale = Math.min(1, radius / distance(points, centres, start, stop))
      shrinkRow(centres, points, scale, out, start, stop)
    },
    ascend: stepAlong,
  })
}

/** x_0 + (z − x_0) min(1, δ/‖z − x_0‖); points inside come back as they are. */
export function projectL2(
  centres: tf.Tensor2D,
  points: tf.Tensor2D,
  radius: number | tf.Tensor2D,
): tf.Tensor2D {
  const v: tf.Tensor2D = tf.sub(points, centres)
  const norm = rowNorm(v)
  const onBorder: tf.Tensor2D = tf.add(centres, tf.mul(v, tf.div(radius, nonZero(norm))))
  return pickRows(tf.lessEqual(norm, radius), points, onBorder)
}

/** out ← x_0 + scale (x − x_0) on a row; x itself at scale 1. `out` may be `points`. */
export function shrinkRow(
  centres: Float32Array,
  points: Float32Array,
  scale: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  if (scale === 1) copyRow(points, out, start, stop)
  else combine(1 - scale, centres, scale, points, out, start, stop)
}

/** ‖x_i − x_{0,i}‖₂: [n]. */
export function l2Distance(centres: tf.Tensor2D, points: tf.Tensor2D): tf.Tensor1D {
  return flat(rowNorm(tf.sub(points, centres)))
}
