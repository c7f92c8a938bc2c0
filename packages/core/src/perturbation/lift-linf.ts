import * as tf from '@tensorflow/tfjs-core'
import { tensorFrom } from '../tensors/arrays.js'
import { clipScale, clipScaleRow, endOfRay } from './clip-scale.js'
import { compatibilityOf, maximumMeeting } from './compatibility.js'
import { requireChart } from './domain.js'
import { drawAround, inCube, onCube } from './draws.js'
import { checkedSpec, type TensorGeometry, withExactCentres } from './exact.js'
import { largestNorm, largestNormOf, liftChart } from './lift-chart.js'
import { inGuard } from './lift-l2.js'
import { linfDistance, projectLinf } from './linf-ball.js'
import { clipAround, norm, stepSigns } from './row-loops.js'
import { signs } from './rows.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * The linf ball in the chart of the lift, B(x_0) = { x : |x_j − x_{0,j}| ≤ δ for all j, ‖x‖₂ ≤ ρ }: the way to a
 * box attack on data that lie on the sphere. The second condition keeps the last coordinate away from 0 (see
 * `largestNorm`). Convex. Where the clipped point (or the corner along sign(g)) breaks it, the optimum is
 * clip(s z, x_0 − δ, x_0 + δ) with norm ρ, s from `clipScale`: exact, in float64 on the host, for those rows alone.
 * `compatibility` throws RANGE unless the data lie in the chart.
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function liftLinf(radius: number): PerturbationSet {
  const spec = checkedSpec('lift-linf', radius)
  const project = (centres: tf.Tensor2D, points: tf.Tensor2D) =>
    guarded(centres, radius, projectLinf(centres, points, radius), points)
  const set: TensorGeometry = {
    ...liftChart,
    spec,
    radius,
    diameter: 2 * radius,
    contains: (centres, points, tolerance = TOLERANCE) =>
      tf.logicalAnd(
        tf.lessEqual(linfDistance(centres, points), radius + tolerance),
        inGuard(centres, points, tolerance),
      ),
    project,
    maximiseLinear(centres, gradient) {
      const corner: tf.Tensor2D = tf.add(centres, tf.mul(radius, signs(gradient)))
      return guarded(centres, radius, corner, gradient)
    },
    steepest: (_points, gradient) => signs(gradient),
    sample: (centres, streams, kind) =>
      project(centres, drawAround(centres, streams, radius, kind === 'border' ? onCube : inCube)),
    distance: linfDistance,
    compatibility(data) {
      requireChart(spec.kind, data)
      return compatibilityOf(data, radius, maximumMeeting)
    },
  }
  return withExactCentres(set, {
    project(centres, points, out, start, stop) {
      const { z } = clipScaleRow(stop - start)
      for (let j = 0; j < z.length; j++) z[j] = points[start + j]!
      clipAround(centres, points, radius, out, start, stop)
      const rho = largestNormOf(centres, start, stop)
      if (norm(out, start, stop) > rho) guardRow(centres, z, radius, rho, out, start, stop)
    },
    ascend: stepSigns,
  })
}

/** `inBall`, but clip(s z, x_0 − δ, x_0 + δ) with norm ρ in the rows that are too long: [n, d]. */
function guarded(
  centres: tf.Tensor2D,
  radius: number,
  inBall: tf.Tensor2D,
  z: tf.Tensor2D,
): tf.Tensor2D {
  const fine = inGuard(centres, inBall, 0).dataSync()
  if (fine.every(ok => ok === 1)) return inBall
  const [n, d] = centres.shape
  const from = centres.dataSync<'float32'>()
  const along = z.dataSync<'float32'>()
  const rho = largestNorm(centres).dataSync()
  const found = inBall.dataSync<'float32'>().slice()
  for (let i = 0; i < n; i++) {
    if (fine[i] === 1) continue
    const { z } = clipScaleRow(d)
    z.set(along.subarray(i * d, (i + 1) * d))
    guardRow(from, z, radius, rho[i]!, found, i * d, (i + 1) * d)
  }
  return tensorFrom<tf.Rank.R2>(found, [n, d])
}

/** out ← clip(s z, x_0 − δ, x_0 + δ) with norm ρ on a row of arrays. */
function guardRow(
  centres: Float32Array,
  z: Float64Array,
  radius: number,
  rho: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const { lo, hi, x } = clipScaleRow(stop - start)
  for (let j = 0; j < lo.length; j++) {
    lo[j] = centres[start + j]! - radius
    hi[j] = centres[start + j]! + radius
  }
  const endOfRayFits = !clipScale(z, lo, hi, rho, x)
  if (endOfRayFits) for (let j = 0; j < x.length; j++) x[j] = endOfRay(z[j]!, lo[j]!, hi[j]!)
  out.set(x, start)
}
