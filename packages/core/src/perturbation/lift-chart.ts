import * as tf from '@tensorflow/tfjs-core'
import { filledTensor, floatsOf, tensorsAreArrays } from '../tensors/arrays.js'
import { eachRow } from './row-geometry.js'
import { dot, norm } from './row-loops.js'
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
  embed: points =>
    tensorsAreArrays() ? embedRows(points) : tf.concat2d([points, lastCoordinate(points)], 1),
  pullback(points, gradient) {
    if (tensorsAreArrays()) return pullBackRows(points, gradient)
    const [n, d] = points.shape
    const inChart = tf.slice2d(gradient, [0, 0], [n, d])
    const upward = tf.slice2d(gradient, [0, d], [n, 1])
    return tf.sub(inChart, tf.mul(tf.div(upward, nonZero(lastCoordinate(points))), points))
  },
}

function embedRows(points: tf.Tensor2D): tf.Tensor2D {
  const [n, d] = points.shape
  const from = floatsOf(points)
  return filledTensor<tf.Rank.R2>([n, d + 1], out => {
    for (let i = 0; i < n; i++) {
      out.set(from.subarray(i * d, (i + 1) * d), i * (d + 1))
      out[i * (d + 1) + d] = lastOf(from, i * d, (i + 1) * d)
    }
  })
}

function pullBackRows(points: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D {
  const d = points.shape[1]
  const [at, g] = [floatsOf(points), floatsOf(gradient)]
  return eachRow(points.shape, (out, start, stop) => {
    const from = (start / d) * (d + 1)
    const share = g[from + d]! / (lastOf(at, start, stop) || 1)
    for (let j = 0; j < d; j++) out[start + j] = g[from + j]! - share * at[start + j]!
  })
}

/** √(1 − ‖x‖²) of a row of arrays. */
function lastOf(x: Float32Array, start: number, stop: number): number {
  const square = 1 - dot(x, x, start, stop)
  return square < 0 ? 0 : Math.sqrt(square)
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

/** The same of a row of arrays. */
export function largestNormOf(centres: Float32Array, start: number, stop: number): number {
  return Math.max(norm(centres, start, stop), LARGEST_NORM)
}

/** √(1 − ‖x_i‖²): [n, 1]. */
function lastCoordinate(points: tf.Tensor2D): tf.Tensor2D {
  return tf.sqrt(tf.maximum(tf.sub(1, rowDot(points, points)), 0))
}
