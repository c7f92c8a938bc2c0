import * as tf from '@tensorflow/tfjs-core'
import { combineFactors } from '../descent/factors.js'
import type { Displacements } from '../descent/step.js'
import { assertShape } from '../errors.js'
import type { GradientFactor, Network, Parameters } from '../networks/network.js'
import { allocateMatrix, type Matrix, writeMatrix } from '../tensors/matrix.js'
import { solvePositive } from './cholesky.js'

/**
 * The tangent kernel of a network at its present weights: K̂_ij = ⟨∇_W f(x_i), ∇_W f(x_j)⟩, as [n, n] float64,
 * row-major. Jacobians are never formed:
 *
 *   K̂ = Σ_h (P_hᵀ P_h) ∘ (X_h X_hᵀ)        P_h: signals [rows, n], X_h: inputs [n, cols]
 *
 * 2n²·Σ(rows + cols) flops; products in float32.
 *
 * @param x [n, inputs]; one output. For equation (1) divide by m to compare with `deepKernel`.
 */
export function tangentKernel(
  network: Network,
  parameters: Parameters,
  x: tf.Tensor2D,
): Float64Array {
  assertShape('outputs of a tangent kernel', [network.spec.outputs], [1])
  const kernel = tf.tidy(() => {
    const { factors } = network.gradientFactors(parameters, x, outputs => tf.onesLike(outputs))
    return tf.addN(factors.map(layerKernel))
  })
  const values = Float64Array.from(kernel.dataSync<'float32'>())
  kernel.dispose()
  return values
}

/**
 * The comparator of a deep network, our substitute for the paper's Appendix C.1: the least change of weights that
 * brings the linearised network to the targets,
 *
 *   W† − W_0 = Σ_j c_j ∇_W f(W_0, x_j),   c = K̂⁻¹ (targets − f(W_0, x))
 *
 * so that f(W†, x_j) is target_j up to the linearisation error, which falls with the width.
 *
 * @param parameters at W_0; @param x [n, inputs] points; @param targets [n].
 * @returns W† − W_0 by name of trained matrix.
 * @throws SaddleError SHAPE; NUMERIC if K̂ is singular.
 */
export function tangentComparator(
  network: Network,
  parameters: Parameters,
  x: tf.Tensor2D,
  targets: ArrayLike<number>,
): Displacements {
  const kernel = tangentKernel(network, parameters, x)
  const comparator: Record<string, Matrix> = {}
  tf.tidy(() => {
    const start = network.forward(parameters, x).dataSync<'float32'>()
    const missing = Float64Array.from(start, (f, i) => targets[i]! - f)
    const c = tf.tensor2d(Float32Array.from(solvePositive(kernel, missing)), [missing.length, 1])
    const { factors } = network.gradientFactors(parameters, x, () => c)
    for (const factor of factors) {
      const displacement = allocateMatrix(factor.signal.shape[0], factor.input.shape[1])
      writeMatrix(displacement, combineFactors([factor]))
      comparator[factor.name] = displacement
    }
  })
  return comparator
}

function layerKernel({ signal, input }: GradientFactor): tf.Tensor2D {
  const signals = tf.matMul(tf.transpose(signal), signal)
  const inputs = tf.matMul(input, tf.transpose(input))
  return tf.mul(signals, inputs)
}
