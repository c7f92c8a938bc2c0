import * as tf from '@tensorflow/tfjs-core'
import { assertShape } from '../errors.js'
import { log1p } from './log1p.js'
import type { Loss } from './loss.js'

/**
 * Losses of the margin v = y f, y = ±1: they fall with v, so an attack needs one direction of f only. A wrong
 * sign means v ≤ 0, hence wrongAtLeast = ℓ(v = 0). ∂ℓ/∂f = y ℓ'(v).
 */
function ofMargin(
  constants: Pick<Loss, 'name' | 'smoothness' | 'zeroAtLabel' | 'wrongAtLeast'>,
  value: (v: tf.Tensor) => tf.Tensor,
  derivative: (v: tf.Tensor) => tf.Tensor,
): Loss {
  const margin = (outputs: tf.Tensor2D, labels: tf.Tensor1D) => {
    assertShape('outputs of a scalar loss', outputs.shape, [labels.shape[0], 1])
    return tf.mul(tf.reshape(outputs, [-1]), labels)
  }
  return {
    ...constants,
    outputs: 'scalar',
    lipschitz: 1,
    convex: true,
    value: (outputs, labels) => tf.tidy(() => value(margin(outputs, labels)) as tf.Tensor1D),
    derivative: (outputs, labels) =>
      tf.tidy(() => tf.reshape(tf.mul(labels, derivative(margin(outputs, labels))), outputs.shape)),
  }
}

/** 0 for v ≥ 1, (1 − v)²/2 for 0 < v < 1, 1/2 − v for v ≤ 0: all of Assumption 3.1. */
export const smoothHinge: Loss = ofMargin(
  { name: 'smooth-hinge', smoothness: 1, zeroAtLabel: true, wrongAtLeast: 0.5 },
  // With q = 1 − v clipped to [0, 1] the three branches are q (1 − v) − q²/2.
  v => {
    const gap = tf.sub(1, v)
    const q = tf.clipByValue(gap, 0, 1)
    return tf.sub(tf.mul(q, gap), tf.mul(tf.square(q), 0.5))
  },
  v => tf.neg(tf.clipByValue(tf.sub(1, v), 0, 1)),
)

/** log(1 + e^{−v}): Assumption 3.1 but for ℓ(y, y) = 0, which Theorem 5.2 and Corollary 5.1 need. */
export const logistic: Loss = ofMargin(
  { name: 'logistic', smoothness: 0.25, zeroAtLabel: false, wrongAtLeast: Math.LN2 },
  v => tf.add(tf.relu(tf.neg(v)), log1p(tf.exp(tf.neg(tf.abs(v))))),
  v => tf.neg(tf.sigmoid(tf.neg(v))),
)

/** max(0, 1 − v), derivative 0 at v = 1: Assumption 3.1 but for smoothness. */
export const hinge: Loss = ofMargin(
  {
    name: 'hinge',
    smoothness: Number.POSITIVE_INFINITY,
    zeroAtLabel: true,
    wrongAtLeast: 1,
  },
  v => tf.relu(tf.sub(1, v)),
  v => tf.neg(tf.step(tf.sub(1, v))),
)
