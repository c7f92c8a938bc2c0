import type * as tf from '@tensorflow/tfjs-core'

/**
 * A loss ℓ(f, y) with the flags of Assumption 3.1. Scalar losses take outputs [n, 1] and labels ±1; class losses
 * outputs [n, c] and labels 0..c−1. Labels are float32 [n] in both cases.
 */
export interface Loss {
  /** As in a configuration: `huber:1`, `logistic`, … */
  readonly name: string
  readonly outputs: 'scalar' | 'classes'
  /** Lipschitz constant in f (l2 norm); Infinity where there is none. */
  readonly lipschitz: number
  /** Lipschitz constant of the derivative; Infinity where there is none. */
  readonly smoothness: number
  readonly convex: boolean
  /** ℓ(y, y) = 0. */
  readonly zeroAtLabel: boolean
  /** inf of ℓ over wrong predictions: robust error ≤ (robust loss)/c0. */
  readonly wrongAtLeast: number
  /** ℓ(f_i, y_i): [n]. */
  value(outputs: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor1D
  /** ∂ℓ/∂f: [n, outputs]. */
  derivative(outputs: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor2D
}
