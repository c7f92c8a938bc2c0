import * as tf from '@tensorflow/tfjs-core'
import { ballReach, compatibilityOf, euclideanMeeting } from './compatibility.js'
import { requireChart } from './domain.js'
import { drawAround, inBall, onSphere } from './draws.js'
import { checkedSpec, type TensorGeometry, withExactCentres } from './exact.js'
import { l2Distance, projectL2, shrinkRow } from './l2-ball.js'
import { largestNorm, largestNormOf, liftChart } from './lift-chart.js'
import { combine, distance, norm, stepAlong } from './row-loops.js'
import { splitAlong } from './row-tangents.js'
import { flat, nonZero, pickRows, rowDot, rowNorm, tangential, unitRows } from './rows.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * The l2 ball in the chart of the lift, B(x_0) = { x : ‖x − x_0‖₂ ≤ δ, ‖x‖₂ ≤ ρ }: a lens of two balls, the second
 * of which keeps the last coordinate away from 0 (see `largestNorm`). Convex. Both problems are solved by
 * relaxation: the optimum over one ball if it lies in the other, else the optimum over the rim where both bind,
 *
 *   ‖x‖ = ρ, ⟨x, x_0⟩ = h = (ρ² + ‖x_0‖² − δ²)/2:   x = (h/‖x_0‖²) x_0 + √(ρ² − h²/‖x_0‖²) q/‖q‖,
 *
 * q being the part orthogonal to x_0 of z, or of g. `compatibility` throws RANGE unless the data lie in the chart.
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function liftL2(radius: number): PerturbationSet {
  const spec = checkedSpec('lift-l2', radius)
  const project = (centres: tf.Tensor2D, points: tf.Tensor2D) => {
    const rho = largestNorm(centres)
    const inBallOnly = projectL2(centres, points, radius)
    const inGuardOnly = projectL2(tf.zerosLike(centres), points, rho)
    return firstInLens(centres, radius, inBallOnly, inGuardOnly, points)
  }
  const set: TensorGeometry = {
    ...liftChart,
    spec,
    radius,
    diameter: 2 * radius,
    contains: (centres, points, tolerance = TOLERANCE) =>
      tf.logicalAnd(
        tf.lessEqual(l2Distance(centres, points), radius + tolerance),
        inGuard(centres, points, tolerance),
      ),
    project,
    maximiseLinear(centres, gradient) {
      const g = unitRows(gradient)
      const onBall: tf.Tensor2D = tf.add(centres, tf.mul(radius, g))
      const onGuard: tf.Tensor2D = tf.mul(largestNorm(centres), g)
      return firstInLens(centres, radius, onBall, onGuard, gradient)
    },
    steepest: (_points, gradient) => unitRows(gradient),
    sample: (centres, streams, kind) =>
      project(centres, drawAround(centres, streams, radius, kind === 'border' ? onSphere : inBall)),
    distance: l2Distance,
    compatibility(data) {
      requireChart(spec.kind, data)
      return compatibilityOf(data, radius, euclideanMeeting(ballReach))
    },
  }
  return withExactCentres(set, {
    project: (centres, points, out, start, stop) =>
      projectInLens(centres, points, radius, out, start, stop),
    ascend: stepAlong,
  })
}

/** [n] booleans: ‖x_i‖ ≤ ρ up to `tolerance`. */
export function inGuard(centres: tf.Tensor2D, points: tf.Tensor2D, tolerance: number): tf.Tensor1D {
  return flat(tf.lessEqual(rowNorm(points), tf.add(largestNorm(centres), tolerance)))
}

/** Slack that decides between two candidates; both are right where they coincide. */
const ROUNDING = 1e-6

function firstInLens(
  centres: tf.Tensor2D,
  radius: number,
  ofBall: tf.Tensor2D,
  ofGuard: tf.Tensor2D,
  towards: tf.Tensor2D,
): tf.Tensor2D {
  const ballWins = tf.reshape(inGuard(centres, ofBall, ROUNDING), [-1, 1])
  const guardWins = tf.reshape(
    tf.lessEqual(l2Distance(centres, ofGuard), radius + ROUNDING),
    [-1, 1],
  )
  return pickRows(ballWins, ofBall, pickRows(guardWins, ofGuard, onRim(centres, radius, towards)))
}

function onRim(centres: tf.Tensor2D, radius: number, towards: tf.Tensor2D): tf.Tensor2D {
  const rho = largestNorm(centres)
  const axis = unitRows(centres)
  const norm = nonZero(rowNorm(centres))
  const h = tf.div(
    tf.sub(tf.add(tf.square(rho), rowDot(centres, centres)), radius * radius),
    tf.mul(2, norm),
  )
  const rim = tf.sqrt(tf.maximum(tf.sub(tf.square(rho), tf.square(h)), 0))
  return tf.add(tf.mul(h, axis), tf.mul(rim, unitRows(tangential(axis, towards))))
}

/** `firstInLens` of a projection, on a row of arrays; `out` may be `points`. */
function projectInLens(
  centres: Float32Array,
  points: Float32Array,
  radius: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const rho = largestNormOf(centres, start, stop)
  const ball = Math.min(1, radius / distance(points, centres, start, stop))
  const guard = Math.min(1, rho / norm(points, start, stop))
  if (shrunkNorm(centres, points, ball, start, stop) <= rho + ROUNDING)
    shrinkRow(centres, points, ball, out, start, stop)
  else if (distance(centres, points, start, stop, guard) <= radius + ROUNDING)
    combine(guard, points, 0, points, out, start, stop)
  else projectOntoRim(centres, points, radius, rho, out, start, stop)
}

/** ‖x_0 + scale (x − x_0)‖₂ on a row. */
function shrunkNorm(
  centres: Float32Array,
  points: Float32Array,
  scale: number,
  start: number,
  stop: number,
): number {
  return scale === 1
    ? norm(points, start, stop)
    : scale * distance(points, centres, start, stop, 1 - 1 / scale)
}

/** `onRim` on a row: x = (h/‖x_0‖²) x_0 + √(ρ² − h²/‖x_0‖²) q/‖q‖, with q = z − share · x_0. */
function projectOntoRim(
  centres: Float32Array,
  points: Float32Array,
  radius: number,
  rho: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const { length, share, across } = splitAlong(centres, points, start, stop)
  const h = (rho * rho + length * length - radius * radius) / (2 * length)
  const rim = Math.sqrt(Math.max(rho * rho - h * h, 0))
  const alongQ = across === 0 ? 0 : rim / across
  combine(h / length - alongQ * share, centres, alongQ, points, out, start, stop)
}
