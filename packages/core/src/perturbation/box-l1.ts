import * as tf from '@tensorflow/tfjs-core'
import { inBox } from './box-l2.js'
import { absoluteMeeting, compatibilityOf } from './compatibility.js'
import { requireUnitBox } from './domain.js'
import { drawAround, inCross, onCross } from './draws.js'
import { checkedSpec, type TensorGeometry, withExactCentres } from './exact.js'
import { crossGeometry, crossRows, nearby } from './l1-ball.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * The l1 ball among pixels: B(x_0) = { x ∈ [0, 1]^d : Σ_j |x_j − x_{0,j}| ≤ δ }, for centres in [0, 1]^d.
 *
 *   project z          one threshold for all offsets, each stopped by the box (see `projectCross`)
 *   argmax of ⟨g, x⟩   δ spent on the largest |g_j| first, each coordinate up to the edge of the box
 *
 * Both exact. Projecting onto the ball and clipping stays inside but is not the projection: it gives away radius that
 * the clipped coordinates don't use. Random points are drawn from the ball and clipped. `compatibility` throws RANGE
 * unless the data lie in [0, 1].
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function boxL1(radius: number): PerturbationSet {
  const spec = checkedSpec('box-l1', radius)
  const set: TensorGeometry = {
    ...crossGeometry(radius, true),
    spec,
    contains: (centres, points, tolerance = TOLERANCE) =>
      tf.logicalAnd(inBox(points, tolerance), nearby(centres, points, radius, tolerance)),
    sample(centres, streams, kind) {
      const offset = kind === 'border' ? onCross : inCross
      return tf.clipByValue(drawAround(centres, streams, radius, offset), 0, 1)
    },
    compatibility(data) {
      requireUnitBox(spec.kind, data)
      return compatibilityOf(data, radius, absoluteMeeting)
    },
  }
  return withExactCentres(set, crossRows(radius, true))
}
