import * as tf from '@tensorflow/tfjs-core'
import { addTo, eachRowBlockTogether, rowsTensor, transposedTimes } from '../tensors/matrix.js'
import { liftCotangent, type OpenLayout, signedSum } from './branches.js'
import type { Cotangent } from './network.js'

/**
 * The last hidden layer and the output, over blocks of neurons:
 *
 *   Z^b = W_H^b X_{H−1}^b,   f = scale · aᵀ Σ_b sign_b σ(Z^b),   ∂f/∂X_{H−1}^b = sign_b · scale · (a ⊙ σ'(Z^b))ᵀ W_H^b
 *
 * X_{H−1}^b: [cols, n]. A block of rows of each W_H^b contributes a summand to each of the two.
 */

/** What is known of a block of neurons: z[b] [rows, n], weights[b] [rows, cols], and a [rows, outputs]. */
interface TopBlock {
  readonly z: readonly tf.Tensor2D[]
  readonly weights: readonly tf.Tensor2D[]
  readonly a: tf.Tensor2D
}

/** f, reading every W_H^b once; what `alongside` computes of each block goes to `keep`, which then owns it. */
function eachTopBlock(
  net: OpenLayout,
  inputs: readonly tf.Tensor2D[],
  alongside: (block: TopBlock) => tf.Tensor2D[],
  keep: (tensors: tf.Tensor2D[]) => void,
): tf.Tensor2D {
  const { activation, scale } = net.layout
  let sum: tf.Tensor2D | undefined
  const tops = net.branches.map(({ layers }) => layers.at(-1)!)
  eachRowBlockTogether(tops, (weights, start, stop) => {
    const { part, tensors } = tf.tidy(() => {
      const a = rowsTensor(net.output, start, stop)
      const z = weights.map((block, b): tf.Tensor2D => tf.matMul(block, inputs[b]!))
      const hidden = signedSum(
        net.branches,
        z.map(values => activation.value(values)),
      )
      const part = transposedTimes(a, hidden)
      return { part, tensors: alongside({ z, weights, a }) }
    })
    sum = addTo(sum, part)
    keep(tensors)
  })
  return tf.mul(tf.transpose(sum!), scale)
}

/** f: [n, outputs]. */
export function topOutputs(net: OpenLayout, inputs: readonly tf.Tensor2D[]): tf.Tensor2D {
  return eachTopBlock(
    net,
    inputs,
    () => [],
    () => {},
  )
}

/**
 * f [n, 1] of a scalar network, and for each branch the gradient of f/scale in X_{H−1}^b, without its sign: [n, cols].
 * It does not wait for f, so every block is read once: half the memory traffic of an attack's step.
 */
export function scalarTop(
  net: OpenLayout,
  inputs: readonly tf.Tensor2D[],
): { readonly outputs: tf.Tensor2D; readonly gradients: readonly tf.Tensor2D[] } {
  const { activation } = net.layout
  let gradients: (tf.Tensor2D | undefined)[] = net.branches.map(() => undefined)
  const outputs = eachTopBlock(
    net,
    inputs,
    ({ z, weights, a }) =>
      z.map((values, b) => {
        const signal: tf.Tensor2D = tf.mul(activation.derivative(values), a)
        return transposedTimes(signal, weights[b]!)
      }),
    parts => {
      gradients = parts.map((part, b) => addTo(gradients[b], part))
    },
  )
  return { outputs, gradients: gradients as tf.Tensor2D[] }
}

/**
 * f [n, outputs], and for each branch the signal scale · (a Cᵀ) ⊙ σ'(Z^b) [rows, n], without its sign, for the
 * cotangents C of these outputs.
 */
export function topSignals(
  net: OpenLayout,
  inputs: readonly tf.Tensor2D[],
  cotangent: Cotangent,
): { readonly outputs: tf.Tensor2D; readonly signals: readonly tf.Tensor2D[] } {
  const { activation } = net.layout
  const slopes = net.branches.map((): tf.Tensor2D[] => [])
  const outputs = eachTopBlock(
    net,
    inputs,
    ({ z }) => z.map(values => activation.derivative(values) as tf.Tensor2D),
    parts => {
      for (const [b, part] of parts.entries()) slopes[b]!.push(part)
    },
  )
  const signals = tf.tidy(() => {
    const lifted = liftCotangent(net, cotangent(outputs))
    return slopes.map(blocks => tf.mul(lifted, tf.concat2d(blocks, 0)) as tf.Tensor2D)
  })
  tf.dispose(slopes)
  return { outputs, signals }
}
