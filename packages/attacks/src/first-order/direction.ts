import { rowsAbove } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Objective } from '../losses/attack-loss.js'
import type { View } from '../view.js'

/**
 * A gradient of f below this size is rounding, not a direction. At symmetric initialisation ∇f is a sum of terms
 * that cancel exactly in theory and to about 1e-7 in float32; normalising that remainder would amplify it into a
 * step of full length that differs from device to device. A model whose true gradient is as small changes by less
 * than float32 resolves over a set of radius 1.
 */
const FLAT = 1e-6

/**
 * The gradient of the objective at `points` in chart coordinates, and the outputs of the same pass. Rows where
 * ‖∇‖∞ ≤ FLAT · ‖∂(objective)/∂f‖∞ are set to 0, which every step leaves where they are; the comparison is with the
 * cotangent, so that a saturated loss with a tiny derivative keeps its direction.
 */
export function ascentDirection(
  view: View,
  points: tf.Tensor2D,
  objective: Objective,
): { readonly outputs: tf.Tensor2D; readonly direction: tf.Tensor2D } {
  /** The cotangents that the pass asked for: of one pass the one at `outputs`, of an expectation several. */
  const asked: tf.Tensor2D[] = []
  const { outputs, gradient } = view.gradient(points, f => {
    const slope = tf.keep(objective.derivative(f))
    asked.push(slope)
    return slope
  })
  const slope = asked.length === 1 ? asked[0]! : objective.derivative(outputs)
  const direction = resolved(gradient, slope)
  tf.dispose(asked)
  return { outputs, direction }
}

/** A gradient [n, d] without the rows that are rounding, for the cotangent [n, outputs] that it belongs to. */
export function resolved(gradient: tf.Tensor2D, cotangent: tf.Tensor2D): tf.Tensor2D {
  return rowsAbove(gradient, tf.mul(FLAT, tf.max(tf.abs(cotangent), 1, true)))
}
