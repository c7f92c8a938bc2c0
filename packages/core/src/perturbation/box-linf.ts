import * as tf from '@tensorflow/tfjs-core'
import { inBox } from './box-l2.js'
import { compatibilityOf, maximumMeeting } from './compatibility.js'
import { requireUnitBox } from './domain.js'
import { drawAround, inCube, onCube } from './draws.js'
import { checkedSpec, identityChart, type TensorGeometry, withExactCentres } from './exact.js'
import { linfDistance, projectLinf } from './linf-ball.js'
import { linfRows } from './linf-rows.js'
import { signs } from './rows.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * The threat model of most image benchmarks: B(x_0) = { x ∈ [0, 1]^d : |x_j − x_{0,j}| ≤ δ for all j }, for
 * centres in [0, 1]^d. It is a box itself, from max(0, x_0 − δ) to min(1, x_0 + δ).
 *
 *   project z          clip onto that box
 *   argmax of ⟨g, x⟩   its corner along sign(g); x_{0,j} where g_j = 0
 *
 * Random points are drawn from the ball and clipped. `compatibility` throws RANGE unless the data lie in [0, 1].
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function boxLinf(radius: number): PerturbationSet {
  const spec = checkedSpec('box-linf', radius)
  const clip = (points: tf.Tensor2D): tf.Tensor2D => tf.clipByValue(points, 0, 1)
  const set: TensorGeometry = {
    ...identityChart,
    spec,
    radius,
    diameter: Math.min(2 * radius, 1),
    contains: (centres, points, tolerance = TOLERANCE) =>
      tf.logicalAnd(
        inBox(points, tolerance),
        tf.lessEqual(linfDistance(centres, points), radius + tolerance),
      ),
    project: (centres, points) => clip(projectLinf(centres, points, radius)),
    maximiseLinear: (centres, gradient) => clip(tf.add(centres, tf.mul(radius, signs(gradient)))),
    steepest: (_points, gradient) => signs(gradient),
    sample: (centres, streams, kind) =>
      clip(drawAround(centres, streams, radius, kind === 'border' ? onCube : inCube)),
    distance: linfDistance,
    compatibility(data) {
      requireUnitBox(spec.kind, data)
      return compatibilityOf(data, radius, maximumMeeting)
    },
  }
  return withExactCentres(set, linfRows(radius, true))
}
