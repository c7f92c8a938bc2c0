import type { Loss, PerturbationSet } from '@saddle/core'
import type * as tf from '@tensorflow/tfjs-core'

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
  /** The loss that is ascended and reported. */
  readonly loss: Loss
  readonly key: AttackKey
  /** Checked between gradient steps; an AbortSignal, or a flag in shared memory. */
  readonly signal?: { readonly aborted: boolean }
  /** Called after every gradient step. */
  readonly onProgress?: (done: number, total: number) => void
}

/** What a search found; `point` belongs to the caller. */
export interface AttackPoint {
  /** The admissible point, in B(x): chart coordinates [n, d]. */
  readonly point: tf.Tensor2D
  /** Gradient steps an example and forward passes an example that it took. */
  readonly gradientSteps: number
  readonly queries: number
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
  /** [n] bool: misclassified at `point`; ties count as errors. */
  readonly success: tf.Tensor1D
  /** [n]: distance from x in the set's norm. */
  readonly distance: tf.Tensor1D
  /** [n]: ℓ(f(point), y). */
  readonly loss: tf.Tensor1D
  /** [n]: FOSC, max over B(x) of ⟨x' − point, ∇ℓ(point)⟩ ≥ 0; null unless `fosc` was asked for. */
  readonly fosc: tf.Tensor1D | null
}

/** A perturbation function A(W, x) of Definition 3.2: a value that holds hyperparameters and searches B(x). */
export interface Attack {
  readonly spec: AttackSpec
  /**
   * The point alone, which is what a training step needs: its own passes follow. x: [n, d] centres in chart
   * coordinates; y: [n] labels. Neither is changed.
   */
  search(model: Attackable, x: tf.Tensor2D, y: tf.Tensor1D, options: AttackOptions): AttackPoint
  /** The same search, and what a fresh pass finds at the same bits of `point`. */
  run(model: Attackable, x: tf.Tensor2D, y: tf.Tensor1D, options: AttackOptions): AttackResult
}

/** Plain JSON, as in a configuration. */
export type AttackSpec =
  | { readonly kind: 'identity'; readonly fosc?: boolean | undefined }
  | { readonly kind: 'uniform'; readonly draws: number; readonly fosc?: boolean | undefined }
  /** One step of full radius: the maximiser of the linearised loss. */
  | { readonly kind: 'fgsm'; readonly fosc?: boolean | undefined }
  | {
      readonly kind: 'pgd'
      readonly steps: number
      /** In units of the radius: η = stepSize · δ. */
      readonly stepSize: number
      readonly restarts: number
      /** Where a search starts: at x, or at a random point; `clean-first` takes x first and random points on restarts. */
      readonly start: 'clean' | 'uniform' | 'border' | 'clean-first'
      /** `loss` ascends ℓ; `two-sided` ascends +f and −f and keeps the larger loss (scalar outputs). */
      readonly objective: 'loss' | 'two-sided'
      /** Keep the iterate with the largest loss (true), or the last one. */
      readonly keepBest: boolean
      readonly fosc?: boolean | undefined
    }
