import * as tf from '@tensorflow/tfjs-core'
import { assertShape } from '../errors.js'
import { isLabel } from './criterion.js'
import type { Loss } from './loss.js'

/**
 * ℓ(f, y) = log Σ_j e^{f_j} − f_y for c classes; ∂ℓ/∂f = softmax(f) − e_y. Convex, √2-Lipschitz and 1/2-smooth in
 * the l2 norm; ℓ never reaches 0, so Theorem 5.2 and Corollary 5.1 do not cover it. A wrong class means that some
 * f_j ≥ f_y, hence ℓ ≥ log 2.
 */
export const crossEntropy: Loss = {
  name: 'cross-entropy',
  outputs: 'classes',
  lipschitz: Math.SQRT2,
  smoothness: 0.5,
  convex: true,
  zeroAtLabel: false,
  wrongAtLeast: Math.LN2,
  // With s_j = f_j − f_y and s* = max s: ℓ = s* + log Σ_j e^{s_j − s*}, in which nothing overflows.
  value: (outputs, labels) =>
    tf.tidy(() => {
      assertShape('outputs of a class loss', outputs.shape, [labels.shape[0], -1])
      const own = tf.sum(
        tf.where(isLabel(outputs, labels), outputs, tf.zerosLike(outputs)),
        1,
        true,
      )
      const s = tf.sub(outputs, own)
      const largest = tf.max(s, 1, true)
      const rest = tf.log(tf.sum(tf.exp(tf.sub(s, largest)), 1))
      return tf.add(tf.reshape(largest, [-1]), rest) as tf.Tensor1D
    }),
  derivative: (outputs, labels) =>
    tf.tidy(() => {
      const powers = tf.exp(tf.sub(outputs, tf.max(outputs, 1, true)))
      const softmax = tf.div(powers, tf.sum(powers, 1, true))
      return tf.sub(softmax, tf.cast(isLabel(outputs, labels), 'float32')) as tf.Tensor2D
    }),
}
