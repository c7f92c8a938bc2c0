import type * as tf from '@tensorflow/tfjs-core'

/** What counts as a successful attack, and, where it has targets, which way to search. */
export interface Criterion {
  /** As in a report: `misclassification`, `targeted`, `loss-above:0.5`. */
  readonly name: string
  /**
   * [n]: the label that each example should be given (a class, or ±1), so that attacks descend the loss of this label;
   * null where they ascend the loss of the true one.
   */
  readonly targets: Float32Array | null
  /** [n] bool: is the attack's work done at these outputs [n, outputs]? Labels [n] are the true ones. */
  isAdversarial(outputs: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor1D
  /** The same criterion for some of the examples, named by their places 0..n − 1 in the batch. */
  atRows(rows: readonly number[] | Int32Array): Criterion
}
