import * as tf from '@tensorflow/tfjs-core'
import type { Stream } from '../random/stream.js'
import { compatibilityOf, euclideanMeeting, type Reach } from './compatibility.js'
import { requireUnitSphere } from './domain.js'
import { drawRows, euclidean, onSphere, scale } from './draws.js'
import { checkedSpec, identityChart, type TensorGeometry, withExactCentres } from './exact.js'
import { l2Distance } from './l2-ball.js'
import { combine, stepAlong } from './row-loops.js'
import { splitAlong, tangentRow } from './row-tangents.js'
import {
  flat,
  pickRareRows,
  polarRows,
  rowDot,
  rowNorm,
  tangential,
  tangentialGradient,
  unitRows,
} from './rows.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * The paper's adversary, kept on the sphere: B(x_0) = { x : ‖x‖ = 1, ‖x − x_0‖₂ ≤ δ }, for centres of norm 1. It is
 * the cap of angular radius θ = 2 asin(min(1, δ/2)); acos(1 − δ²/2) is the same and loses half the digits.
 *
 *   project z          p = ⟨z, x_0⟩, q = z − p x_0, t = min(atan2(‖q‖, p), θ):  cos(t) x_0 + sin(t) q/‖q‖
 *   argmax of ⟨g, x⟩   the same with z = g
 *
 * A cap is not convex, so the projection may expand distances; both formulas are exact all the same. Where q = 0
 * and p < 0 every tangent direction does, and a fixed one is taken. The distance is the chord's length.
 * `compatibility` throws RANGE unless the data lie on the unit sphere.
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function l2Cap(radius: number): PerturbationSet {
  const spec = checkedSpec('cap', radius)
  const theta = 2 * Math.asin(Math.min(1, radius / 2))
  const set: TensorGeometry = {
    ...identityChart,
    spec,
    radius,
    diameter: theta < Math.PI / 2 ? 2 * Math.sin(theta) : 2,
    contains: (centres, points, tolerance = TOLERANCE) =>
      tf.logicalAnd(
        onUnitSphere(points, tolerance),
        tf.lessEqual(l2Distance(centres, points), radius + tolerance),
      ),
    project: (centres, points) => closestOnCap(centres, points, theta),
    maximiseLinear: (centres, gradient) => closestOnCap(centres, gradient, theta),
    steepest: (points, gradient) => unitRows(tangentialGradient(points, gradient)),
    sample: (centres, streams, kind) =>
      drawRows(centres, streams, (stream, centre, out) => {
        const angle = kind === 'border' ? theta : capAngle(stream, theta, out.length)
        pointAtAngle(stream, centre, angle, out)
      }),
    distance: l2Distance,
    compatibility(data) {
      requireUnitSphere(spec.kind, data)
      return compatibilityOf(data, radius, euclideanMeeting(capReach))
    },
  }
  return withExactCentres(set, {
    project: (centres, points, out, start, stop) =>
      closestInRow(centres, points, theta, out, start, stop),
    ascend(points, gradient, step, out, start, stop) {
      tangentRow(points, gradient, out, start, stop)
      stepAlong(points, out, step, out, start, stop)
    },
  })
}

/** [n] booleans: ‖x_i‖ = 1 up to `tolerance`. */
export function onUnitSphere(points: tf.Tensor2D, tolerance: number): tf.Tensor1D {
  return flat(tf.lessEqual(tf.abs(tf.sub(rowNorm(points), 1)), tolerance))
}

function closestOnCap(centres: tf.Tensor2D, z: tf.Tensor2D, theta: number): tf.Tensor2D {
  const direction = unitRows(z)
  const p = rowDot(direction, centres)
  const q = tangential(centres, direction)
  const { norm: length, unit } = polarRows(q)
  const t = tf.minimum(tf.atan2(length, p), theta)
  const alongQ = pickRareRows(tf.equal(length, 0), () => anyTangent(centres), unit)
  const onCap: tf.Tensor2D = tf.add(tf.mul(tf.cos(t), centres), tf.mul(tf.sin(t), alongQ))
  return unitRows(onCap)
}

/** A unit tangent at each centre: the axis of its smallest coordinate, made orthogonal. */
function anyTangent(centres: tf.Tensor2D): tf.Tensor2D {
  const smallest: tf.Tensor1D = tf.argMin(tf.abs(centres), 1)
  const axis = tf.oneHot(smallest, centres.shape[1], 1, 0, 'float32') as tf.Tensor2D
  return unitRows(tangential(centres, axis))
}

/** What float64 leaves of a part that isn't there, relative to the whole; float32 rows cannot hold so little. */
const NO_PART = 1e-13

/** `closestOnCap` on a row of arrays, q and x_0 combined in one pass: `out` may be `z`. */
function closestInRow(
  centres: Float32Array,
  z: Float32Array,
  theta: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const { length, share, across } = splitAlong(centres, z, start, stop)
  const p = share * length
  if (across <= NO_PART * Math.abs(p)) {
    combine(1 / length, centres, 0, centres, out, start, stop)
    if (p < 0) turnToAxis(out, theta, start, stop)
    return
  }
  const t = Math.min(Math.atan2(across, p), theta)
  const alongQ = Math.sin(t) / across
  combine(Math.cos(t) / length - alongQ * share, centres, alongQ, z, out, start, stop)
}

/** x ← cos(θ) x + sin(θ) · (the tangent of `anyTangent`), for a unit row x. */
function turnToAxis(x: Float32Array, theta: number, start: number, stop: number): void {
  let k = start
  for (let i = start; i < stop; i++) if (Math.abs(x[i]!) < Math.abs(x[k]!)) k = i
  const along = x[k]!
  const alongQ = Math.sin(theta) / Math.sqrt(1 - along * along)
  combine(Math.cos(theta) - alongQ * along, x, 0, x, x, start, stop)
  x[k] = x[k]! + alongQ
}

/** Caps meet iff the angle between their centres is at most 2θ; from δ = √2 on (θ = π/2) they always do. */
const capReach: Reach = {
  distanceAt: radius =>
    radius >= Math.SQRT2 ? Number.POSITIVE_INFINITY : 2 * Math.sin(2 * Math.asin(radius / 2)),
  radiusAt: distance => 2 * Math.sin(Math.asin(Math.min(1, distance / 2)) / 2),
}

/**
 * The angle from the centre of a uniform point of the cap: density ∝ sin^k t on [0, θ], k = d − 2.
 *
 * log sin^k is concave, so its tangent at a = min(θ, π/2) bounds it: propose from the exponential of the tangent,
 * whose slope is k cot a, and accept by the ratio. Almost every proposal is taken when k is large.
 */
function capAngle(stream: Stream, theta: number, dimension: number): number {
  const k = dimension - 2
  const a = Math.min(theta, Math.PI / 2)
  const slope = k / Math.tan(a)
  for (;;) {
    const t = truncatedExponential(stream.uniform(), slope, theta)
    const logRatio = k * Math.log(Math.sin(t) / Math.sin(a)) - slope * (t - a)
    if (k === 0 || Math.log(stream.uniform()) <= logRatio) return t
  }
}

/** Quantile u of the density ∝ exp(slope t) on [0, end]: the uniform one where the slope vanishes. */
function truncatedExponential(u: number, slope: number, end: number): number {
  if (slope * end < 1e-9) return u * end
  return end + Math.log(u + (1 - u) * Math.exp(-slope * end)) / slope
}

/** A point of the unit sphere at `angle` from the centre, in a uniform tangent direction. */
function pointAtAngle(
  stream: Stream,
  centre: Float32Array,
  angle: number,
  out: Float64Array,
): void {
  onSphere(stream, out)
  let along = 0
  let norm2 = 0
  for (let j = 0; j < out.length; j++) {
    along += out[j]! * centre[j]!
    norm2 += centre[j]! ** 2
  }
  for (let j = 0; j < out.length; j++) out[j] = out[j]! - (along / norm2) * centre[j]!
  scale(out, Math.sin(angle) / euclidean(out))
  for (let j = 0; j < out.length; j++) out[j] = out[j]! + Math.cos(angle) * centre[j]!
  scale(out, 1 / euclidean(out))
}
