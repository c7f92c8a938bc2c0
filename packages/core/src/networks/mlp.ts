import * as tf from '@tensorflow/tfjs-core'
import { activationFrom } from '../activations/by-name.js'
import { relu } from '../activations/rectifiers.js'
import { assertShape, SaddleError } from '../errors.js'
import { currentBackend } from '../tensors/backends.js'
import { type Matrix, matrixTimes, timesMatrix } from '../tensors/matrix.js'
import { reluPasses } from './mlp-relu.js'
import type { Cotangent } from './network.js'

/** z ↦ W z + b. */
export interface MlpLayer {
  /** W: [out, in], as PyTorch's `Linear.weight`. */
  readonly weights: Matrix
  /** b: [out]; null where there is none. */
  readonly bias: Float32Array<SharedArrayBuffer> | null
}

/**
 * A multilayer perceptron with biases, f(x) = W_L σ(… σ(W_1 x + b_1) …) + b_L: a network from elsewhere, to be looked at
 * and not trained. In shared memory; can be posted to a worker as it is.
 */
export interface Mlp {
  /** σ by name, as `activationFrom` takes it. */
  readonly activation: string
  /** From the input to the output; at least one. */
  readonly layers: readonly MlpLayer[]
}

/** What can be done with it. x: [n, inputs]; returned tensors belong to the caller. */
export interface MlpPasses {
  readonly inputs: number
  readonly outputs: number
  /** f(x): [n, outputs]. 2n flops a weight. */
  forward(x: tf.Tensor2D): tf.Tensor2D
  /** f and the gradient of Σ_i ⟨cotangent_i, f(x_i)⟩ in x: [n, inputs]. 4n flops a weight. */
  inputGradient(
    x: tf.Tensor2D,
    cotangent: Cotangent,
  ): { readonly outputs: tf.Tensor2D; readonly gradient: tf.Tensor2D }
}

/**
 * The passes of a perceptron. With relu, on a backend with an algebra on arrays, a layer is one product and one loop;
 * otherwise they are operations of TensorFlow.js. The backend is asked when a pass begins.
 *
 * @throws SaddleError CONFIG if the activation is unknown, SHAPE if the layers do not fit each other.
 */
export function mlpPasses(mlp: Mlp): MlpPasses {
  const activation = activationFrom(mlp.activation)
  const { layers } = mlp
  checkChain(layers)
  const inputs = layers[0]!.weights.cols
  const outputs = layers.at(-1)!.weights.rows
  const fused = activation === relu ? reluPasses(layers) : null
  const arrays = () => (fused === null ? null : (currentBackend().algebra?.() ?? null))

  /** Z_h = W_h X_{h−1} + b_h, neuron-major: [out, n]. */
  const affine = ({ weights, bias }: MlpLayer, x: tf.Tensor2D): tf.Tensor2D => {
    const z = timesMatrix(weights, x)
    return bias === null ? z : tf.add(z, tf.tensor2d(bias, [bias.length, 1]))
  }
  /** σ(Z_h), and σ'(Z_h) where it is asked for, below the top; then f. */
  const climb = (x: tf.Tensor2D, withSlopes: boolean) => {
    const slopes: tf.Tensor2D[] = []
    let hidden: tf.Tensor2D = tf.transpose(x)
    for (const layer of layers.slice(0, -1)) {
      const z = affine(layer, hidden)
      hidden = activation.value(z) as tf.Tensor2D
      if (withSlopes) slopes.push(tf.transpose(activation.derivative(z) as tf.Tensor2D))
    }
    return { outputs: tf.transpose(affine(layers.at(-1)!, hidden)) as tf.Tensor2D, slopes }
  }
  return {
    inputs,
    outputs,
    forward(x) {
      assertShape('input of the network', x.shape, [-1, inputs])
      const algebra = arrays()
      if (algebra !== null) return fused!.forward(algebra, x)
      return tf.tidy(() => climb(x, false).outputs)
    },
    inputGradient(x, cotangent) {
      assertShape('input of the network', x.shape, [-1, inputs])
      const checked: Cotangent = f => {
        const c = cotangent(f)
        assertShape('cotangent of the outputs', c.shape, f.shape)
        return c
      }
      const algebra = arrays()
      if (algebra !== null) return fused!.inputGradient(algebra, x, checked)
      return tf.tidy(() => {
        const { outputs: f, slopes } = climb(x, true)
        // P_hᵀ, example-major: ∂/∂Z_h = (W_{h+1}ᵀ ∂/∂Z_{h+1}) ⊙ σ'(Z_h).
        let signal = checked(f)
        for (let h = layers.length - 1; h > 0; h--)
          signal = tf.mul(matrixTimes(signal, layers[h]!.weights), slopes[h - 1]!)
        return { outputs: f, gradient: matrixTimes(signal, layers[0]!.weights) }
      })
    },
  }
}

function checkChain(layers: readonly MlpLayer[]): void {
  if (layers.length === 0)
    throw new SaddleError('SHAPE', 'A perceptron needs at least one layer; got none.')
  layers.forEach(({ weights: { rows, cols }, bias }, h) => {
    const below = layers[h - 1]?.weights.rows ?? cols
    assertShape(`weights of layer ${h + 1}`, [rows, cols], [rows, below])
    if (bias !== null) assertShape(`bias of layer ${h + 1}`, [bias.length], [rows])
  })
}
