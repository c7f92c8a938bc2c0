import * as tf from '@tensorflow/tfjs-core'
import type { Activation } from './activation.js'
import { normalDensity, normalDistribution, tensorDensity, tensorDistribution } from './normal.js'

/**
 * σ(z) = max(z, 0), σ'(0) = 0: the activation of equation (1). σ' jumps, so C2 is infinite: Assumption 5.3
 * holds, 5.1 does not.
 */
export const relu: Activation = {
  name: 'relu',
  c1: 1,
  c2: Number.POSITIVE_INFINITY,
  c3: Number.POSITIVE_INFINITY,
  value: z => tf.relu(z),
  derivative: z => tf.step(z),
  scalar: {
    value: z => Math.max(z, 0),
    derivative: z => (z > 0 ? 1 : 0),
    second: () => 0,
  },
}

/**
 * σ(z) = z Φ(z/t) + t φ(z/t) = E max(z + t·N(0,1), 0): relu smoothed over a width t > 0, in units of the
 * pre-activation; at most 0.4 t above relu. C2 = 1/(t√(2π)), C3 = 1/(t²√(2πe)).
 */
export function gaussianRelu(t: number): Activation {
  return {
    name: `gs:${t}`,
    c1: 1,
    c2: 1 / (t * Math.sqrt(2 * Math.PI)),
    c3: 1 / (t * t * Math.sqrt(2 * Math.PI * Math.E)),
    // σ(z) = max(z, 0) + t (φ(u) − u Φ(−u)), u = |z|/t: the two large terms of a negative z never meet.
    value(z) {
      const u = tf.div(tf.abs(z), t)
      const tail = tf.sub(tensorDensity(u), tf.mul(u, tensorDistribution(tf.neg(u))))
      return tf.add(tf.relu(z), tf.mul(tail, t))
    },
    derivative: z => tensorDistribution(tf.div(z, t)),
    scalar: {
      value: z => z * normalDistribution(z / t) + t * normalDensity(z / t),
      derivative: z => normalDistribution(z / t),
      second: z => normalDensity(z / t) / t,
    },
  }
}

/** σ(z) = log(1 + e^{bz})/b, b > 0. C2 = b/4, C3 = b²/(6√3). */
export function softplus(b: number): Activation {
  return {
    name: `softplus:${b}`,
    c1: 1,
    c2: b / 4,
    c3: (b * b) / (6 * Math.sqrt(3)),
    // σ(z) = max(z, 0) + log(1 + e^{−b|z|})/b: no overflow.
    value: z => tf.add(tf.relu(z), tf.div(tf.log1p(tf.exp(tf.mul(tf.abs(z), -b))), b)),
    derivative: z => tf.sigmoid(tf.mul(z, b)),
    scalar: {
      value: z => Math.max(z, 0) + Math.log1p(Math.exp(-b * Math.abs(z))) / b,
      derivative: z => 1 / (1 + Math.exp(-b * z)),
      second: z => b / (2 + 2 * Math.cosh(b * z)),
    },
  }
}

/**
 * σ(z) = max(z, 0)²/2, the activation of Remark 5.1. σ' = max(z, 0) is unbounded, so C1 is infinite: Assumption
 * 5.1 holds, 5.3 does not.
 */
export const quadraticRelu: Activation = {
  name: 'quadratic-relu',
  c1: Number.POSITIVE_INFINITY,
  c2: 1,
  c3: Number.POSITIVE_INFINITY,
  value: z => tf.mul(tf.square(tf.relu(z)), 0.5),
  derivative: z => tf.relu(z),
  scalar: {
    value: z => 0.5 * Math.max(z, 0) ** 2,
    derivative: z => Math.max(z, 0),
    second: z => (z > 0 ? 1 : 0),
  },
}
