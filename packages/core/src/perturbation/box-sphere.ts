import * as tf from '@tensorflow/tfjs-core'
import { tensorFrom } from '../tensors/arrays.js'
import { boxSphereMeeting } from './box-sphere-meeting.js'
import { clamp, clipScale, clipScaleRow, endOfRay } from './clip-scale.js'
import { compatibilityOf } from './compatibility.js'
import { requireUnitSphere } from './domain.js'
import { drawAround, inCube, onSphere } from './draws.js'
import { checkedSpec, identityChart, type TensorGeometry, withExactCentres } from './exact.js'
import { onUnitSphere } from './l2-cap.js'
import { linfDistance } from './linf-ball.js'
import { stepSigns } from './row-loops.js'
import { tangentRow } from './row-tangents.js'
import { signs, tangentialGradient } from './rows.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * The linf adversary kept on the sphere: B(x_0) = { x : ‖x‖ = 1, |x_j − x_{0,j}| ≤ δ for all j }, for centres of
 * norm 1.
 *
 * On the sphere the point closest to z is the maximiser of ⟨z, x⟩, so both problems are one. With lo = x_0 − δ and
 * hi = x_0 + δ it is clip(s z, lo, hi) for the s that gives norm 1 (see `clipScale`), exactly, as for every step of
 * an attack. Where no s does, because clipping z shrinks it whatever the scale, the problem is knapsack-like and
 * `fillNorm` answers within one item of the optimum.
 *
 * Points go to the host and back, in float64: [n, d] is small beside the n × m of a pass. `sample` draws from the
 * box and projects; on the border it maximises a random direction. `compatibility` throws RANGE unless the data
 * lie on the unit sphere.
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function boxSphere(radius: number): PerturbationSet {
  const spec = checkedSpec('box-sphere', radius)
  const set: TensorGeometry = {
    ...identityChart,
    spec,
    radius,
    diameter: Math.min(2 * radius, 2),
    contains: (centres, points, tolerance = TOLERANCE) =>
      tf.logicalAnd(
        onUnitSphere(points, tolerance),
        tf.lessEqual(linfDistance(centres, points), radius + tolerance),
      ),
    project: (centres, points) => farthestAlong(centres, points, radius),
    maximiseLinear: (centres, gradient) => farthestAlong(centres, gradient, radius),
    steepest: (points, gradient) => signs(tangentialGradient(points, gradient)),
    sample(centres, streams, kind) {
      if (kind === 'uniform')
        return farthestAlong(centres, drawAround(centres, streams, radius, inCube), radius)
      const origins: tf.Tensor2D = tf.zerosLike(centres)
      return farthestAlong(centres, drawAround(origins, streams, 1, onSphere), radius)
    },
    distance: linfDistance,
    compatibility(data) {
      requireUnitSphere(spec.kind, data)
      return compatibilityOf(data, radius, boxSphereMeeting)
    },
  }
  return withExactCentres(set, {
    project: (centres, points, out, start, stop) =>
      farthestInRow(centres, points, radius, out, start, stop),
    ascend(points, gradient, step, out, start, stop) {
      tangentRow(points, gradient, out, start, stop)
      stepSigns(points, out, step, out, start, stop)
    },
  })
}

/** argmax of ⟨z, x⟩ over each B(x_0): [n, d]. */
function farthestAlong(centres: tf.Tensor2D, z: tf.Tensor2D, radius: number): tf.Tensor2D {
  const [n, d] = centres.shape
  const from = centres.dataSync<'float32'>()
  const along = z.dataSync<'float32'>()
  const found = new Float32Array(n * d)
  for (let i = 0; i < n; i++) farthestInRow(from, along, radius, found, i * d, (i + 1) * d)
  return tensorFrom<tf.Rank.R2>(found, [n, d])
}

/** The same on a row of arrays. */
function farthestInRow(
  centres: Float32Array,
  along: Float32Array,
  radius: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const { z, lo, hi, x } = clipScaleRow(stop - start)
  for (let j = 0; j < z.length; j++) {
    z[j] = along[start + j]!
    lo[j] = centres[start + j]! - radius
    hi[j] = centres[start + j]! + radius
  }
  if (!clipScale(z, lo, hi, 1, x)) fillNorm(z, lo, hi, x)
  out.set(x, start)
}

/**
 * For rays whose clipped points all have norm < 1: from the end of the ray, coordinates flip to their far end in
 * the order of (lost ⟨z, x⟩)/(gained norm²), and the last one stops where the norm is 1. Always feasible, because
 * the farthest corner of the box has norm ≥ ‖x_0‖ = 1. O(d log d).
 */
function fillNorm(z: Float64Array, lo: Float64Array, hi: Float64Array, out: Float64Array): void {
  const flips: { at: number; to: number; price: number }[] = []
  let norm2 = 0
  for (let j = 0; j < z.length; j++) {
    const end = endOfRay(z[j]!, lo[j]!, hi[j]!)
    const far = Math.abs(lo[j]!) > Math.abs(hi[j]!) ? lo[j]! : hi[j]!
    const gain = far * far - end * end
    if (gain > 0) flips.push({ at: j, to: far, price: (z[j]! * (end - far)) / gain })
    out[j] = end
    norm2 += end * end
  }
  flips.sort((a, b) => a.price - b.price || a.at - b.at)
  for (const { at, to } of flips) {
    const others = norm2 - out[at]! ** 2
    const needed = Math.sqrt(Math.max(0, 1 - others))
    const last = needed <= Math.abs(to)
    out[at] = last ? clamp(Math.sign(to) * needed, lo[at]!, hi[at]!) : to
    if (last) return
    norm2 = others + to * to
  }
}
