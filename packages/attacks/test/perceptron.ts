import type { Attackable } from '@saddle/attacks'
import * as tf from '@tensorflow/tfjs-core'

/** Weights [inputs, outputs], row-major, and biases, layer by layer. */
export type Layers = readonly (readonly [weights: readonly number[], biases: readonly number[]])[]

/** A ReLU perceptron with biases, its gradient by hand: what reference results are made on. */
export function perceptron(layers: Layers): Attackable {
  const outputs = layers.at(-1)![1].length
  const forward = (x: tf.Tensor2D) => {
    const inputs: tf.Tensor2D[] = []
    const y = layers.reduce((h, [w, b], index) => {
      const active: tf.Tensor2D = index === 0 ? h : tf.relu(h)
      inputs.push(h)
      return tf.add(tf.matMul(active, matrix(w, b)), tf.tensor1d([...b]))
    }, x)
    return { y, inputs }
  }
  return {
    outputs,
    forward: x => tf.tidy(() => forward(x).y),
    inputGradient(x, cotangent) {
      const [y, gradient] = tf.tidy(() => {
        const { y, inputs } = forward(x)
        const back = layers.reduceRight((signal, [w, b], index): tf.Tensor2D => {
          const before: tf.Tensor2D = tf.matMul(signal, tf.transpose(matrix(w, b)))
          return index === 0 ? before : tf.mul(before, tf.step(inputs[index]!))
        }, cotangent(y))
        return [y, back]
      })
      return { outputs: y!, gradient: gradient! }
    },
  }
}

function matrix(w: readonly number[], b: readonly number[]): tf.Tensor2D {
  return tf.tensor2d([...w], [w.length / b.length, b.length])
}
