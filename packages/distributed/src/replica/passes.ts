import type { Attackable } from '@saddle/attacks'
import type { Cotangent, FirstAdjoint } from '@saddle/core'
import type * as tf from '@tensorflow/tfjs-core'

/** Whose gradient it is: of the shard's examples from `start` on, at which of their points. */
export interface GradientPlace {
  readonly start: number
  /** 0, or the number of a further point of the same examples, whose gradient is added. */
  readonly point: number
}

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
   * Delivers the gradient in the trained matrices at x [n, d], and returns f there: [n, outputs]. The first delivery of
   * a shard is that of place (0, 0).
   */
  gradient(x: tf.Tensor2D, cotangent: Cotangent, place: GradientPlace): tf.Tensor2D
  /** The same, and from the same pass the gradient in x and the adjoint of the first block; null for a team. */
  readonly joint: ((x: tf.Tensor2D, cotangent: Cotangent, place: GradientPlace) => JointPass) | null
  /** The gradient in x [n, d] with the adjoint of the first block held fixed; null for a team. */
  readonly firstBlock: ((x: tf.Tensor2D, adjoint: FirstAdjoint) => tf.Tensor2D) | null
}

interface JointPass {
  readonly outputs: tf.Tensor2D
  /** [n, d] */
  readonly gradient: tf.Tensor2D
  readonly adjoint: FirstAdjoint
}
