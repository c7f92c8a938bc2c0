import * as tf from '@tensorflow/tfjs-core'
import type { Activation } from '../activations/activation.js'
import { assertShape } from '../errors.js'
import { fusedKernels } from '../tensors/fused.js'
import { matrixTimes, timesMatrix } from '../tensors/matrix.js'
import {
  firstInput,
  type Layout,
  type OpenBranch,
  type OpenLayout,
  openLayout,
  seenBy,
  signedSum,
} from './branches.js'
import { fusedFactors, fusedInputGradient, fusedOutputs, kernelsFor } from './fused-passes.js'
import type { Cotangent, GradientFactor, Parameters } from './network.js'
import { scalarTop, topOutputs, topSignals } from './top.js'

/**
 * The passes of every network of the paper, by hand:
 *
 *   up:    Z_h = W_h X_{h−1},   X_h = σ(Z_h)                     neuron-major, [rows, n]
 *   down:  P_h = (W_{h+1}ᵀ P_{h+1}) ⊙ σ'(Z_h),   ∇_x = P_1ᵀ W_1    P_h = ∂f/∂Z_h
 *   ∇_{W_h} = P_h X_{h−1}ᵀ
 *
 * Each product has the large matrix untransposed: W X going up, Pᵀ W (Pᵀ example-major) going down.
 */

/** f(W, x): [n, outputs]. */
export function forward(layout: Layout, parameters: Parameters, x: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const net = openLayout(layout, parameters)
    const kernels = kernelsFor(net, fusedKernels())
    if (kernels !== null) return fusedOutputs(net, kernels, seenBy(net, x))
    const first = firstInput(net, x)
    const tops = net.branches.map(branch => climb(branch, layout.activation, first).inputs.at(-1)!)
    return topOutputs(net, tops)
  })
}

/** f and the gradient of Σ_i ⟨cotangent_i, f(x_i)⟩ in x. A scalar network's W_H is read once. */
export function inputGradient(
  layout: Layout,
  parameters: Parameters,
  x: tf.Tensor2D,
  cotangent: Cotangent,
): { readonly outputs: tf.Tensor2D; readonly gradient: tf.Tensor2D } {
  return tf.tidy(() => {
    const net = openLayout(layout, parameters)
    const kernels = kernelsFor(net, fusedKernels())
    if (kernels !== null)
      return fusedInputGradient(net, kernels, seenBy(net, x), checked(cotangent))
    const first = firstInput(net, x)
    const climbs = net.branches.map(branch => climb(branch, layout.activation, first))
    const tops = climbs.map(({ inputs }) => inputs.at(-1)!)
    const down = (fromTop: readonly tf.Tensor2D[]) => {
      const sum = signedSum(
        net.branches,
        net.branches.map((branch, b) => descend(branch, climbs[b]!, fromTop[b]!)),
      )
      return net.input === null ? sum : matrixTimes(sum, net.input)
    }
    if (net.output.cols === 1) {
      // ∇(c_i f(x_i)) = c_i ∇f(x_i): the cotangent is a factor of each row.
      const { outputs, gradients } = scalarTop(net, tops)
      const factor = tf.mul(checked(cotangent)(outputs), layout.scale)
      return { outputs, gradient: tf.mul(down(gradients), factor) }
    }
    const { outputs, signals } = topSignals(net, tops, checked(cotangent))
    const gradients = signals.map((signal, b) =>
      matrixTimes(tf.transpose(signal), net.branches[b]!.layers.at(-1)!),
    )
    return { outputs, gradient: down(gradients) }
  })
}

/** f and the gradient in every trained matrix as factors, in the order of `parameters.trained`. */
export function gradientFactors(
  layout: Layout,
  parameters: Parameters,
  x: tf.Tensor2D,
  cotangent: Cotangent,
): { readonly outputs: tf.Tensor2D; readonly factors: readonly GradientFactor[] } {
  return tf.tidy(() => {
    const net = openLayout(layout, parameters)
    const kernels = kernelsFor(net, fusedKernels())
    const { outputs, factors } =
      kernels === null
        ? plainFactors(net, x, checked(cotangent))
        : fusedFactors(net, kernels, seenBy(net, x), checked(cotangent))
    const order = new Map(parameters.trained.map(({ name }, i) => [name, i]))
    factors.sort((p, q) => order.get(p.name)! - order.get(q.name)!)
    return { outputs, factors }
  })
}

/** `GradientFactor` as a type that `tf.tidy` can look into. */
export type Factor = { name: string; signal: tf.Tensor2D; input: tf.Tensor2D }

function plainFactors(net: OpenLayout, x: tf.Tensor2D, cotangent: Cotangent) {
  const first = firstInput(net, x)
  const climbs = net.branches.map(branch => climb(branch, net.layout.activation, first))
  const tops = climbs.map(({ inputs }) => inputs.at(-1)!)
  const { outputs, signals } = topSignals(net, tops, cotangent)
  const factors = net.branches.flatMap((branch, b) => {
    if (!branch.trained) return []
    const top = branch.sign > 0 ? signals[b]! : tf.neg(signals[b]!)
    return branchFactors(branch, climbs[b]!, top, x, net.input === null)
  })
  return { outputs, factors }
}

/** What a pass keeps of a branch below its top: X_0 … X_{H−1}, and σ'(Z_1) … σ'(Z_{H−1}). */
export interface Climb {
  readonly inputs: readonly tf.Tensor2D[]
  readonly slopes: readonly tf.Tensor2D[]
}

export function climb({ layers }: OpenBranch, activation: Activation, first: tf.Tensor2D): Climb {
  const inputs = [first]
  const slopes: tf.Tensor2D[] = []
  for (const layer of layers.slice(0, -1)) {
    const { value, slope } = tf.tidy(() => {
      const z = timesMatrix(layer, inputs.at(-1)!)
      return { value: activation.value(z), slope: activation.derivative(z) }
    })
    inputs.push(value as tf.Tensor2D)
    slopes.push(slope as tf.Tensor2D)
  }
  return { inputs, slopes }
}

/** P_1ᵀ … P_{H−1}ᵀ, each [n, rows], from the gradient in X_{H−1}: [n, cols of W_H]. */
function signalsBelow(
  { layers }: OpenBranch,
  { slopes }: Climb,
  fromTop: tf.Tensor2D,
): tf.Tensor2D[] {
  const signals: tf.Tensor2D[] = []
  for (let h = slopes.length - 1; h >= 0; h--) {
    const above = signals[0]
    const gradient = above === undefined ? fromTop : matrixTimes(above, layers[h + 1]!)
    signals.unshift(tf.mul(gradient, tf.transpose(slopes[h]!)))
  }
  return signals
}

/** The gradient in X_0 from that in X_{H−1}: [n, cols of W_1]. */
function descend(branch: OpenBranch, kept: Climb, fromTop: tf.Tensor2D): tf.Tensor2D {
  const [lowest] = signalsBelow(branch, kept, fromTop)
  return lowest === undefined ? fromTop : matrixTimes(lowest, branch.layers[0]!)
}

function branchFactors(
  branch: OpenBranch,
  kept: Climb,
  top: tf.Tensor2D,
  x: tf.Tensor2D,
  firstIsX: boolean,
): Factor[] {
  const deeper = branch.layers.length > 1
  const below = deeper
    ? signalsBelow(branch, kept, matrixTimes(tf.transpose(top), branch.layers.at(-1)!))
    : []
  const signals = [...below.map((signal): tf.Tensor2D => tf.transpose(signal)), top]
  return branch.names.map((name, h) => ({
    name,
    signal: signals[h]!,
    input: h === 0 && firstIsX ? tf.clone(x) : tf.transpose(kept.inputs[h]!),
  }))
}

/** The cotangent with its shape checked. */
export function checked(cotangent: Cotangent): Cotangent {
  return outputs => {
    const c = cotangent(outputs)
    assertShape('cotangent of the outputs', c.shape, outputs.shape)
    return c
  }
}
