import type * as tf from '@tensorflow/tfjs-core'

/** An activation σ with the constants that Assumptions 5.1 and 5.3 of the paper ask for. */
export interface Activation {
  /** As in a configuration: `relu`, `gs:0.5`, `softplus:4`, … */
  readonly name: string
  /** C1 = sup|σ'|, C2 = sup|σ''|, C3 = sup|σ'''|; Infinity where there is none. */
  readonly c1: number
  readonly c2: number
  readonly c3: number
  /** σ(z), elementwise, any shape. */
  value(z: tf.Tensor): tf.Tensor
  /** σ'(z), elementwise; σ'(0) = 0 for relu. */
  derivative(z: tf.Tensor): tf.Tensor
  /** The same in float64 on numbers: the reference of tests, and what the theory's code uses. */
  readonly scalar: {
    value(z: number): number
    derivative(z: number): number
    second(z: number): number
  }
}
