import * as tf from '@tensorflow/tfjs-core'
import type { ArrayAlgebra } from '../tensors/algebra.js'
import { filledTensor, floatsOf } from '../tensors/arrays.js'
import { withSimdArrays } from '../tensors/simd/arrays.js'
import { mask, rectify } from './bits.js'
import type { MlpLayer } from './mlp.js'
import type { Cotangent } from './network.js'

/**
 * The passes of a relu perceptron on arrays, example-major, so that nothing is transposed:
 *
 *   up:    X_h = relu(X_{h−1} W_hᵀ + b_h)              [n, out]: the bias is what the product is added to
 *   down:  G_h = (G_{h+1} W_{h+1}) ⊙ 1{X_h > 0}        ∇_x = G_1 W_1
 *
 * What is between the layers is in arrays on loan, which the searches of an attack get again and again.
 */
export function reluPasses(layers: readonly MlpLayer[]): {
  forward(algebra: ArrayAlgebra, x: tf.Tensor2D): tf.Tensor2D
  inputGradient(
    algebra: ArrayAlgebra,
    x: tf.Tensor2D,
    cotangent: Cotangent,
  ): { readonly outputs: tf.Tensor2D; readonly gradient: tf.Tensor2D }
} {
  const top = layers.at(-1)!
  const below = layers.slice(0, -1)
  /** The lengths of X_1 … X_{L−1} of n examples, which are those of G_1 … G_{L−1}. */
  const sizes = (n: number) => below.map(({ weights }) => n * weights.rows)
  /** X_1 … X_{L−1} into `hidden`; returns f. */
  const climb = (
    algebra: ArrayAlgebra,
    x: tf.Tensor2D,
    hidden: readonly Float32Array[],
  ): tf.Tensor2D => {
    const n = x.shape[0]
    let input = floatsOf(x)
    below.forEach((layer, h) => {
      affine(algebra, layer, input, n, hidden[h]!)
      input = hidden[h]!
      rectify(input)
    })
    return filledTensor([n, top.weights.rows], out => affine(algebra, top, input, n, out))
  }
  return {
    forward: (algebra, x) =>
      withSimdArrays(sizes(x.shape[0]), (...hidden) => climb(algebra, x, hidden)),
    inputGradient: (algebra, x, cotangent) =>
      tf.tidy(() => {
        const n = x.shape[0]
        return withSimdArrays([...sizes(n), ...sizes(n)], (...arrays) => {
          const [hidden, signals] = [arrays.slice(0, below.length), arrays.slice(below.length)]
          const outputs = climb(algebra, x, hidden)
          let signal = floatsOf(cotangent(outputs))
          for (let h = layers.length - 1; h > 0; h--) {
            const next = signals[h - 1]!
            backwards(algebra, layers[h]!, signal, n, next)
            mask(next, hidden[h - 1]!)
            signal = next
          }
          const gradient: tf.Tensor2D = filledTensor([n, layers[0]!.weights.cols], out =>
            backwards(algebra, layers[0]!, signal, n, out),
          )
          return { outputs, gradient }
        })
      }),
  }
}

/** X Wᵀ + b. */
function affine(
  algebra: ArrayAlgebra,
  { weights: { rows, cols, data }, bias }: MlpLayer,
  x: Float32Array,
  n: number,
  out: Float32Array,
): void {
  if (bias !== null) for (let i = 0; i < n; i++) out.set(bias, i * rows)
  const shape = { m: n, n: rows, k: cols }
  algebra.product(shape, { data: x, transposed: false }, { data, transposed: true }, out, {
    add: bias !== null,
  })
}

/** G W. */
function backwards(
  algebra: ArrayAlgebra,
  { weights: { rows, cols, data } }: MlpLayer,
  g: Float32Array,
  n: number,
  out: Float32Array,
): void {
  const shape = { m: n, n: cols, k: rows }
  algebra.product(shape, { data: g, transposed: false }, { data, transposed: false }, out)
}
