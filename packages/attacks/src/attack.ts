import type { Loss, PerturbationSet } from '@saddle/core'
import type * as tf from '@tensorflow/tfjs-core'
import type { Criterion } from './criteria/criterion.js'
import type { AttackSpec } from './from-spec.js'
import type { StartingPoints } from './search/starting-points.js'

/** What can be attacked: a function of tensors with its input gradient. x: [n, d] as the model sees it. */
export interface Attackable {
  readonly outputs: number
  forward(x: tf.Tensor2D): tf.Tensor2D
  inputGradient(
    x: tf.Tensor2D,
    cotangent: (outputs: tf.Tensor2D) => tf.Tensor2D,
  ): { readonly outputs: tf.Tensor2D; readonly gradient: tf.Tensor2D }
  /**
   * An `inputGradient` that remembers the point it was given last: the same results up to float32 rounding, for less
   * where the next point is close to it. A search opens one and takes its gradient steps by it, restarts and all,
   * always on the same n examples; what is reported comes from the passes above. Its memory holds no tensors.
   */
  follow?(): Attackable['inputGradient']
  /** Queries that one pass counts for: more than 1 where it averages several passes of another model. Default 1. */
  readonly queriesPerPass?: number
}

/** The randomness of an attack: keyed by example, so that a batch of N equals N batches of one. */
export interface AttackKey {
  readonly seed: number
  readonly purpose: string
  readonly step: number
  /** [n]: index of each row's example in its data set. */
  readonly examples: readonly number[] | Int32Array
}

export interface AttackOptions {
  readonly set: PerturbationSet
  /** The loss of the model: what is reported, and what is ascended unless an attack names a loss of its own. */
  readonly loss: Loss
  /** What counts as success, and which way to search. Default: `misclassification`. */
  readonly criterion?: Criterion
  readonly key: AttackKey
  /**
   * [n] rows of d chart coordinates: adversarial points that are known, such as another attack's `raw.arraySync()`, for
   * the attacks that walk from one: `boundary`, `hop-skip-jump`, `nes-partial`, `nes-label-only`. An example whose row is null
   * or not adversarial begins at a random point, as all do by default. In an ensemble they go to the members that
   * take them; other attacks throw CONFIG.
   */
  readonly startingPoints?: StartingPoints
  /** Checked between gradient steps; an AbortSignal, or a flag in shared memory. */
  readonly signal?: { readonly aborted: boolean }
  /** Called after every gradient step. */
  readonly onProgress?: (done: number, total: number) => void
}

/** What a search found; `point` belongs to the caller. */
export interface AttackPoint {
  /** The admissible point, in B(x): chart coordinates [n, d]. */
  readonly point: tf.Tensor2D
  /** [n]: gradient steps that each example took. */
  readonly gradientSteps: Int32Array
  /** [n]: passes that each example took, those of its gradient steps included. */
  readonly queries: Int32Array
}

/**
 * Per example; all tensors have n rows and belong to the caller. `point` is `raw` projected onto B(x), and
 * everything below is about this very point; `queries` counts the fresh pass, too.
 */
export interface AttackResult extends AttackPoint {
  /** The point the search ended with, chart coordinates [n, d]. */
  readonly raw: tf.Tensor2D
  /** Outputs of a fresh forward pass at `point`, [n, outputs]. */
  readonly outputs: tf.Tensor2D
  /** [n] bool: does `point` meet the criterion; misclassified by default, where ties count as errors. */
  readonly success: tf.Tensor1D
  /** [n]: distance from x in the set's norm. */
  readonly distance: tf.Tensor1D
  /** [n]: ℓ(f(point), y). */
  readonly loss: tf.Tensor1D
  /**
   * [n]: FOSC, max over B(x) of ⟨x' − point, ∇J(point)⟩ ≥ 0, where J is ℓ(f, y), or −ℓ(f, target) if the criterion has
   * targets; null unless `fosc` was asked for.
   */
  readonly fosc: tf.Tensor1D | null
  /** [n]: of an ensemble, the place in its list of the attack that `point` is from; else null. */
  readonly from: Int32Array | null
}

/**
 * A perturbation function A(W, x) of Definition 3.2: a value that holds hyperparameters and searches B(x).
 *
 * `fixed-radius` attacks look for a point of large loss in B(x), and look again at another radius. `minimum-norm`
 * attacks look for the closest adversarial point, wherever it is: `raw`, which no radius changes; `point` is its
 * projection onto B(x). The radius they are given is for what scales with it, such as a random start.
 */
export interface Attack {
  readonly spec: AttackSpec
  readonly aim: 'fixed-radius' | 'minimum-norm'
  /** Passes an example that a search takes at most, give or take those that only compare the last iterates. */
  readonly passes: number
  /**
   * The point alone, which is what a training step needs: its own passes follow. x: [n, d] centres in chart
   * coordinates; y: [n] labels. Neither is changed.
   */
  search(model: Attackable, x: tf.Tensor2D, y: tf.Tensor1D, options: AttackOptions): AttackPoint
  /** The same search, and what a fresh pass finds at the same bits of `point`. */
  run(model: Attackable, x: tf.Tensor2D, y: tf.Tensor1D, options: AttackOptions): AttackResult
}
