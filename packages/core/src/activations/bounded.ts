import * as tf from '@tensorflow/tfjs-core'
import type { Activation } from './activation.js'
import { erf as scalarErf } from './normal.js'

/** σ(z) = tanh z, σ' = sech² z. C2 = 4/(3√3) where tanh² z = 1/3, C3 = 2 at 0. */
export const tanh: Activation = {
  name: 'tanh',
  c1: 1,
  c2: 4 / (3 * Math.sqrt(3)),
  c3: 2,
  value: z => tf.tanh(z),
  // sech² z = 4q/(1 + q)², q = e^{−2|z|}: keeps its digits far out, where 1 − tanh² z is 0.
  derivative(z) {
    const q = tf.exp(tf.mul(tf.abs(z), -2))
    return tf.div(tf.mul(q, 4), tf.square(tf.add(q, 1)))
  },
  scalar: {
    value: z => Math.tanh(z),
    derivative: z => 1 / Math.cosh(z) ** 2,
    second: z => (-2 * Math.tanh(z)) / Math.cosh(z) ** 2,
  },
}

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI)

/** σ(z) = erf(z), σ' = 2 e^{−z²}/√π. C1 = 2/√π and C3 = 4/√π at 0, C2 = 4/√(2πe) at z = 1/√2. */
export const erf: Activation = {
  name: 'erf',
  c1: TWO_OVER_SQRT_PI,
  c2: 4 / Math.sqrt(2 * Math.PI * Math.E),
  c3: 2 * TWO_OVER_SQRT_PI,
  value: z => tf.erf(z),
  derivative: z => tf.mul(tf.exp(tf.neg(tf.square(z))), TWO_OVER_SQRT_PI),
  scalar: {
    value: scalarErf,
    derivative: z => TWO_OVER_SQRT_PI * Math.exp(-z * z),
    second: z => -2 * z * TWO_OVER_SQRT_PI * Math.exp(-z * z),
  },
}

/**
 * σ(z) = sin z + cos z, σ' = cos z − sin z; every constant is √2. Its kernel e^{u−1} is universal on the whole
 * sphere, antipodal points included.
 */
export const sincos: Activation = {
  name: 'sincos',
  c1: Math.SQRT2,
  c2: Math.SQRT2,
  c3: Math.SQRT2,
  value: z => tf.add(tf.sin(z), tf.cos(z)),
  derivative: z => tf.sub(tf.cos(z), tf.sin(z)),
  scalar: {
    value: z => Math.sin(z) + Math.cos(z),
    derivative: z => Math.cos(z) - Math.sin(z),
    second: z => -Math.sin(z) - Math.cos(z),
  },
}
