import * as tf from '@tensorflow/tfjs-core'
import { clipScale, clipScaleRow } from './clip-scale.js'
import { clippedRay } from './clipped-ray.js'
import { ballReach, compatibilityOf, euclideanMeeting } from './compatibility.js'
import { requireUnitBox } from './domain.js'
import { drawAround, inBall, onSphere } from './draws.js'
import { checkedSpec, identityChart, type TensorGeometry, withExactCentres } from './exact.js'
import { l2Distance } from './l2-ball.js'
import { clip, clipToUnit, stepAlong } from './row-loops.js'
import { pickRows, unitRows } from './rows.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * Pixels that stay pixels: B(x_0) = { x ∈ [0, 1]^d : ‖x − x_0‖₂ ≤ δ }, for centres in [0, 1]^d.
 *
 *   project z          clip(z, 0, 1) if that is in the ball, else clip(x_0 + s (z − x_0), 0, 1) on its border
 *   argmax of ⟨g, x⟩   clip(x_0 + s g, 0, 1) on the border of the ball, or the corner of the box along g
 *
 * Both exact (see `clippedRay`). Clipping a projection onto the ball, the usual short cut, is not the projection.
 * Random points are drawn from the ball and clipped, which keeps them in it. `compatibility` throws RANGE unless
 * the data lie in [0, 1].
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function boxL2(radius: number): PerturbationSet {
  const spec = checkedSpec('box-l2', radius)
  const inside = (centres: tf.Tensor2D, points: tf.Tensor2D, tolerance: number) =>
    tf.lessEqual(l2Distance(centres, points), radius + tolerance)
  const set: TensorGeometry = {
    ...identityChart,
    spec,
    radius,
    diameter: 2 * radius,
    contains: (centres, points, tolerance = TOLERANCE) =>
      tf.logicalAnd(inBox(points, tolerance), inside(centres, points, tolerance)),
    project(centres, points) {
      const clipped: tf.Tensor2D = tf.clipByValue(points, 0, 1)
      const near = tf.reshape(inside(centres, clipped, 0), [-1, 1])
      const ray = clippedRay(centres, tf.sub(points, centres), radius, 1)
      return pickRows(near, clipped, ray)
    },
    maximiseLinear: (centres, gradient) => clippedRay(centres, gradient, radius),
    steepest: (_points, gradient) => unitRows(gradient),
    sample(centres, streams, kind) {
      const offset = kind === 'border' ? onSphere : inBall
      return tf.clipByValue(drawAround(centres, streams, radius, offset), 0, 1)
    },
    distance: l2Distance,
    compatibility(data) {
      requireUnitBox(spec.kind, data)
      return compatibilityOf(data, radius, euclideanMeeting(ballReach))
    },
  }
  return withExactCentres(set, {
    project(centres, points, out, start, stop) {
      const inBall = !(distanceInBox(centres, points, start, stop) > radius)
      if (inBall) clipToUnit(points, out, start, stop)
      else projectOntoRim(centres, points, radius, out, start, stop)
    },
    ascend: stepAlong,
  })
}

/** ‖clip(x, 0, 1) − x_0‖₂ on a row. */
function distanceInBox(
  centres: Float32Array,
  points: Float32Array,
  start: number,
  stop: number,
): number {
  let sum = 0
  for (let i = start; i < stop; i++) {
    const offset = clip(points[i]!, 0, 1) - centres[i]!
    sum += offset * offset
  }
  return Math.sqrt(sum)
}

/** `clippedRay` on a row whose clipped point is too far: offsets in [−x_0, 1 − x_0] of norm δ (see `clipScale`). */
function projectOntoRim(
  centres: Float32Array,
  points: Float32Array,
  radius: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const { z, lo, hi, x } = clipScaleRow(stop - start)
  for (let j = 0; j < z.length; j++) {
    const centre = centres[start + j]!
    z[j] = points[start + j]! - centre
    lo[j] = -centre
    hi[j] = 1 - centre
  }
  clipScale(z, lo, hi, radius, x)
  for (let j = 0; j < x.length; j++) out[start + j] = centres[start + j]! + x[j]!
}

/** [n] booleans: all coordinates in [0, 1] up to `tolerance`. */
export function inBox(points: tf.Tensor2D, tolerance: number): tf.Tensor1D {
  return tf.lessEqual(tf.max(tf.abs(tf.sub(points, 0.5)), 1), 0.5 + tolerance)
}
