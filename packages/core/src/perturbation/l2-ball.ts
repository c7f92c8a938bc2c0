import * as tf from '@tensorflow/tfjs-core'
import { ballReach, compatibilityOf, euclideanMeeting } from './compatibility.js'
import { drawAround, inBall, onSphere } from './draws.js'
import { checkedSpec, identityChart, type TensorGeometry, withExactCentres } from './exact.js'
import { combine, combineThree, copyRow, distance, stepAlong } from './row-loops.js'
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
    advance: (centres, points, gradient, step, out, start, stop) =>
      advanceInBall(centres, points, gradient, step, radius, out, start, stop),
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

/**
 * out ← x_0 + k (o + s g) on a row, with o = x − x_0, s = step/‖g‖ and k = min(1, δ/‖o + s g‖), where
 *
 *   ‖o + s g‖² = ‖o‖² + 2 s ⟨o, g⟩ + s² ‖g‖²
 *
 * takes one pass. What cancels in float64 is 1e-16 of a square that is only compared with δ² and divided into it.
 */
function advanceInBall(
  centres: Float32Array,
  points: Float32Array,
  gradient: Float32Array,
  step: number,
  radius: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  let oo = 0
  let og = 0
  let gg = 0
  let oo2 = 0
  let og2 = 0
  let gg2 = 0
  let i = start
  for (; i < stop - 1; i += 2) {
    const o = points[i]! - centres[i]!
    const g = gradient[i]!
    oo += o * o
    og += o * g
    gg += g * g
    const o2 = points[i + 1]! - centres[i + 1]!
    const g2 = gradient[i + 1]!
    oo2 += o2 * o2
    og2 += o2 * g2
    gg2 += g2 * g2
  }
  if (i < stop) {
    const o = points[i]! - centres[i]!
    const g = gradient[i]!
    oo += o * o
    og += o * g
    gg += g * g
  }
  const square = gg + gg2
  const s = square === 0 ? 0 : step / Math.sqrt(square)
  const far = Math.sqrt(Math.max(0, oo + oo2 + s * (2 * (og + og2) + s * square)))
  const k = Math.min(1, radius / far)
  if (s === 0) shrinkRow(centres, points, k, out, start, stop)
  else if (k === 1) combine(1, points, s, gradient, out, start, stop)
  else combineThree(1 - k, centres, k, points, k * s, gradient, out, start, stop)
}

/** ‖x_i − x_{0,i}‖₂: [n]. */
export function l2Distance(centres: tf.Tensor2D, points: tf.Tensor2D): tf.Tensor1D {
  return flat(rowNorm(tf.sub(points, centres)))
}
