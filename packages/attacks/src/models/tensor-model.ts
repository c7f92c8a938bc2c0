import { assertShape, SaddleError } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attackable } from '../attack.js'

/**
 * Any TensorFlow.js function x: [n, d] → [n, outputs] as something to attack, its gradient by automatic
 * differentiation. Every operation in it needs its gradient registered, which `import '@tensorflow/tfjs'` does and
 * `@tensorflow/tfjs-core` alone does not.
 *
 *     const model = tensorModel(x => tf.matMul(tf.tanh(tf.matMul(x, w)), v), 10)
 *
 * Its methods throw SaddleError SHAPE if `f` returns another shape, BACKEND if a gradient is missing.
 */
export function tensorModel(f: (x: tf.Tensor2D) => tf.Tensor2D, outputs: number): Attackable {
  const forward = (x: tf.Tensor2D) => {
    const y = f(x)
    assertShape('outputs of the model', y.shape, [x.shape[0], outputs])
    return y
  }
  return {
    outputs,
    forward: x => tf.tidy(() => forward(x)),
    inputGradient(x, cotangent) {
      const [y, gradient] = tf.tidy(() => {
        const y = forward(x)
        const held = cotangent(y)
        const g = differentiate(x => tf.sum(tf.mul(forward(x), held)), x)
        return [y, g]
      })
      return { outputs: y!, gradient: gradient! }
    },
  }
}

/** ∂/∂x of a scalar; held fixed is whatever `objective` does not compute from x. */
function differentiate(objective: (x: tf.Tensor2D) => tf.Scalar, x: tf.Tensor2D): tf.Tensor2D {
  try {
    return tf.grad(objective as (x: tf.Tensor) => tf.Tensor)(x) as tf.Tensor2D
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    if (!/gradient function not found/i.test(reason)) throw error
    throw new SaddleError(
      'BACKEND',
      `The model cannot be differentiated: ${reason} Register TensorFlow.js gradients first: add ` +
        "`import '@tensorflow/tfjs'` to the program.",
      { reason },
    )
  }
}
