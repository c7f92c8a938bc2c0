import * as tf from '@tensorflow/tfjs-core'
import { clippedRay } from './clipped-ray.js'
import { ballReach, compatibilityOf, euclideanMeeting } from './compatibility.js'
import { requireUnitBox } from './domain.js'
import { drawAround, inBall, onSphere } from './draws.js'
import { checkedSpec, identityChart, withExactCentres } from './exact.js'
import { l2Distance } from './l2-ball.js'
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
  return withExactCentres({
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
  })
}

/** [n] booleans: all coordinates in [0, 1] up to `tolerance`. */
export function inBox(points: tf.Tensor2D, tolerance: number): tf.Tensor1D {
  return tf.lessEqual(tf.max(tf.abs(tf.sub(points, 0.5)), 1), 0.5 + tolerance)
}
