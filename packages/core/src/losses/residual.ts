import * as tf from '@tensorflow/tfjs-core'
import { assertShape } from '../errors.js'
import { log1p } from './log1p.js'
import type { Loss } from './loss.js'

/**
 * Losses of the residual r = f − y, y = ±1: two-sided, so an attack has to ascend in both directions of f.
 * A wrong sign means |r| ≥ 1, and each loss grows with |r|, hence wrongAtLeast = ℓ(r = 1).
 */
function ofResidual(
  constants: Pick<Loss, 'name' | 'lipschitz' | 'smoothness' | 'wrongAtLeast'>,
  value: (r: tf.Tensor) => tf.Tensor,
  derivative: (r: tf.Tensor) => tf.Tensor,
): Loss {
  const residual = (outputs: tf.Tensor2D, labels: tf.Tensor1D) => {
    assertShape('outputs of a scalar loss', outputs.shape, [labels.shape[0], 1])
    return tf.sub(tf.reshape(outputs, [-1]), labels)
  }
  return {
    ...constants,
    outputs: 'scalar',
    convex: true,
    zeroAtLabel: true,
    value: (outputs, labels) => tf.tidy(() => value(residual(outputs, labels)) as tf.Tensor1D),
    derivative: (outputs, labels) =>
      tf.tidy(() => tf.reshape(derivative(residual(outputs, labels)), outputs.shape)),
  }
}

/** r²/2 for |r| ≤ k, else k|r| − k²/2: all of Assumption 3.1. k > 0, in units of the outputs. */
export function huber(k: number): Loss {
  const c = Math.min(k, 1)
  return ofResidual(
    { name: `huber:${k}`, lipschitz: k, smoothness: 1, wrongAtLeast: c - (c * c) / 2 },
    // With q = r clipped to [−k, k] both branches are q r − q²/2.
    r => {
      const q = tf.clipByValue(r, -k, k)
      return tf.sub(tf.mul(q, r), tf.mul(tf.square(q), 0.5))
    },
    r => tf.clipByValue(r, -k, k),
  )
}

/** k² (√(1 + (r/k)²) − 1): all of Assumption 3.1, and infinitely smooth. k > 0, in units of the outputs. */
export function pseudoHuber(k: number): Loss {
  const root = (r: tf.Tensor) => tf.sqrt(tf.add(tf.square(tf.div(r, k)), 1))
  return ofResidual(
    {
      name: `pseudo-huber:${k}`,
      lipschitz: k,
      smoothness: 1,
      wrongAtLeast: 1 / (1 + Math.sqrt(1 + 1 / (k * k))),
    },
    // √(1 + s²) − 1 = s²/(1 + √(1 + s²)): no cancellation at small residuals.
    r => tf.div(tf.square(r), tf.add(root(r), 1)),
    r => tf.div(r, root(r)),
  )
}

/** log cosh r: all of Assumption 3.1. */
export const logCosh: Loss = ofResidual(
  { name: 'log-cosh', lipschitz: 1, smoothness: 1, wrongAtLeast: Math.log(Math.cosh(1)) },
  // |r| + log(1 + e^{−2|r|}) − log 2 for |r| > 1; below, −log(1 − tanh² r)/2, which cannot fall under 0.
  r => {
    const a = tf.abs(r)
    const far = tf.sub(tf.add(a, log1p(tf.exp(tf.mul(a, -2)))), Math.LN2)
    const near = tf.mul(log1p(tf.neg(tf.square(tf.tanh(tf.minimum(a, 1))))), -0.5)
    return tf.where(tf.greater(a, tf.onesLike(a)), far, near)
  },
  r => tf.tanh(r),
)

/** r²/2: Assumption 3.1 but for the Lipschitz constant, which is max|r| on a run (footnote 5). */
export const square: Loss = ofResidual(
  { name: 'square', lipschitz: Number.POSITIVE_INFINITY, smoothness: 1, wrongAtLeast: 0.5 },
  r => tf.mul(tf.square(r), 0.5),
  r => r,
)

/** |r|, derivative 0 at r = 0: Assumption 3.1 but for smoothness, which Theorems 4.1 and 5.1 never use. */
export const absolute: Loss = ofResidual(
  { name: 'absolute', lipschitz: 1, smoothness: Number.POSITIVE_INFINITY, wrongAtLeast: 1 },
  r => tf.abs(r),
  // Not tf.sign, which is 0 below about 1e-7 on wasm.
  r => tf.sub(tf.step(r), tf.step(tf.neg(r))),
)
