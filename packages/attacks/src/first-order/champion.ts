import { pickRows } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'

/** The best point known of every example, with its loss: [n, d] and [n]. */
export interface Champion {
  readonly points: tf.Tensor2D
  readonly losses: tf.Tensor1D
}

/** A champion that every finite loss beats. */
export function noChampion(points: tf.Tensor2D): Champion {
  return { points: tf.clone(points), losses: tf.fill([points.shape[0]], Number.NEGATIVE_INFINITY) }
}

/**
 * Per example the one with the larger loss; the earlier one on a tie, so that a point moves only for a gain. A loss
 * that is not a number never wins.
 */
export function better(holder: Champion, rival: Champion): Champion {
  const wins = tf.greater(rival.losses, holder.losses)
  return {
    points: pickRows(tf.expandDims(wins, 1), rival.points, holder.points),
    losses: tf.where(wins, rival.losses, holder.losses),
  }
}
