import * as tf from '@tensorflow/tfjs-core'
import { nonZero, rowDot, rowNorm } from './rows.js'
import type { PerturbationSet } from './set.js'

/**
 * The chart of the lift: x ∈ R^d with ‖x‖ < 1 stands for the point (x, √(1 − ‖x‖²)) of the upper half sphere in
 * R^{d+1}. The data are scaled into the chart beforehand, so no scale appears here. A gradient g of R^{d+1} comes
 * back by the chain rule,
 *
 *   ∇_x = g_{1..d} − g_{d+1} x/√(1 − ‖x‖²).
 */
export const liftChart: Pick<PerturbationSet, 'embeddedDimension' | 'embed' | 'pullback'> = {
  embeddedDimension: dimension => dimension + 1,
  embed: points => tf.concat2d([points, lastCoordinate(points)], 1),
  pullback(points, gradient) {
    const [n, d] = points.shape
    const inChart = tf.slice2d(gradient, [0, 0], [n, d])
    const upward = tf.slice2d(gradient, [0, d], [n, 1])
    return tf.sub(inChart, tf.mul(tf.div(upward, nonZero(lastCoordinate(points))), points))
  },
}

/** The norm up to which perturbed points may go, so that the last coordinate keeps away from 0. */
const LARGEST_NORM = Math.sqrt(1 - 0.1 ** 2)

/**
 * The guard of the lifted sets: ‖x‖ ≤ ρ with ρ = √(1 − 0.1²), where the last coordinate is 0.1 and the chain rule
 * amplifies ten times at most. A centre beyond it keeps its own norm as its bound, so that it stays in its set:
 * [n, 1]. Data lifted with floor c need it only where δ > ρ − √(1 − c²).
 */
export function largestNorm(centres: tf.Tensor2D): tf.Tensor2D {
  return tf.maximum(rowNorm(centres), LARGEST_NORM)
}

/** √(1 − ‖x_i‖²): [n, 1]. */
function lastCoordinate(points: tf.Tensor2D): tf.Tensor2D {
  return tf.sqrt(tf.maximum(tf.sub(1, rowDot(points, points)), 0))
}
