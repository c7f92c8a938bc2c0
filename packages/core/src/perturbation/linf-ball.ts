import * as tf from '@tensorflow/tfjs-core'
import { compatibilityOf, maximumMeeting } from './compatibility.js'
import { drawAround, inCube, onCube } from './draws.js'
import { checkedSpec, identityChart, type TensorGeometry, withExactCentres } from './exact.js'
import { linfRows } from './linf-rows.js'
import { flat, rowMax, signs } from './rows.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * The linf ball: B(x_0) = { x : |x_j − x_{0,j}| ≤ δ for all j }.
 *
 *   project z          clip(z, x_0 − δ, x_0 + δ)
 *   argmax of ⟨g, x⟩   x_0 + δ sign(g), with sign(0) = 0
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function linfBall(radius: number): PerturbationSet {
  const spec = checkedSpec('linf', radius)
  const set: TensorGeometry = {
    ...identityChart,
    spec,
    radius,
    diameter: 2 * radius,
    contains: (centres, points, tolerance = TOLERANCE) =>
      tf.lessEqual(linfDistance(centres, points), radius + tolerance),
    project: (centres, points) => projectLinf(centres, points, radius),
    maximiseLinear: (centres, gradient) => tf.add(centres, tf.mul(radius, signs(gradient))),
    steepest: (_points, gradient) => signs(gradient),
    sample: (centres, streams, kind) =>
      drawAround(centres, streams, radius, kind === 'border' ? onCube : inCube),
    distance: linfDistance,
    compatibility: data => compatibilityOf(data, radius, maximumMeeting),
  }
  return withExactCentres(set, linfRows(radius, false))
}

/** clip(z, x_0 − δ, x_0 + δ). */
export function projectLinf(
  centres: tf.Tensor2D,
  points: tf.Tensor2D,
  radius: number,
): tf.Tensor2D {
  return tf.minimum(tf.maximum(points, tf.sub(centres, radius)), tf.add(centres, radius))
}

/** max_j |x_ij − x_{0,ij}|: [n]. */
export function linfDistance(centres: tf.Tensor2D, points: tf.Tensor2D): tf.Tensor1D {
  return flat(rowMax(tf.sub(points, centres)))
}
