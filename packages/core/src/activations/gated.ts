import * as tf from '@tensorflow/tfjs-core'
import type { Activation } from './activation.js'
import { normalDensity, normalDistribution, tensorDensity, tensorDistribution } from './normal.js'

/** z² where |σ'''| = |z (z² − 4) φ(z)| of gelu is largest: the smaller root of s² − 7s + 4. */
const GELU_SQUARE = (7 - Math.sqrt(33)) / 2

/** σ(z) = z Φ(z), σ' = Φ + z φ, σ'' = (2 − z²) φ. C1 = Φ(√2) + √2 φ(√2) at √2, C2 = 2φ(0). */
export const gelu: Activation = {
  name: 'gelu',
  c1: normalDistribution(Math.SQRT2) + Math.SQRT2 * normalDensity(Math.SQRT2),
  c2: 2 * normalDensity(0),
  c3: Math.sqrt(GELU_SQUARE) * (4 - GELU_SQUARE) * normalDensity(Math.sqrt(GELU_SQUARE)),
  value: z => tf.mul(z, tensorDistribution(z)),
  derivative: z => tf.add(tensorDistribution(z), tf.mul(z, tensorDensity(z))),
  scalar: {
    value: z => z * normalDistribution(z),
    derivative: z => normalDistribution(z) + z * normalDensity(z),
    second: z => (2 - z * z) * normalDensity(z),
  },
}

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))

/**
 * σ(z) = z s(z) with s the logistic function, σ' = s + z s (1 − s). C1 at z = 2.39936, C2 = 1/2 at 0, C3
 * at z = 1.03196, both rounded up in the last digit.
 */
export const silu: Activation = {
  name: 'silu',
  c1: 1.09983932012887,
  c2: 0.5,
  c3: 0.30818151579648,
  value: z => tf.mul(z, tf.sigmoid(z)),
  derivative(z) {
    const s = tf.sigmoid(z)
    return tf.mul(s, tf.add(tf.mul(z, tf.sub(1, s)), 1))
  },
  scalar: {
    value: z => z * sigmoid(z),
    derivative: z => sigmoid(z) * (1 + z * (1 - sigmoid(z))),
    second: z => sigmoid(z) * (1 - sigmoid(z)) * (2 + z * (1 - 2 * sigmoid(z))),
  },
}
