import type { Attackable } from '@saddle/attacks'
import type { Cotangent } from '@saddle/core'
import type * as tf from '@tensorflow/tfjs-core'

/**
 * How a replica passes a shard's examples through the network: alone through all neurons, or as a member of a team,
 * each with neurons of its own. What is computed is the same.
 */
export interface ShardPasses {
  readonly model: Attackable
  /** W† of the regret monitor. */
  readonly comparator: Attackable | null
  /** Stops a search between two passes; null where the passes see to it. */
  readonly signal: { readonly aborted: boolean } | null
  /** Whether this replica speaks for the shard: one of those at work on it does. */
  readonly reports: boolean
  /**
   * Delivers the gradient in the trained matrices at x [n, d], the shard's examples from `start` on, and returns f
   * there: [n, outputs].
   */
  gradient(x: tf.Tensor2D, cotangent: Cotangent, start: number): tf.Tensor2D
}
