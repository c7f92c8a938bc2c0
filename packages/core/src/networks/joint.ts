import * as tf from '@tensorflow/tfjs-core'
import { matrixTimes, timesMatrix } from '../tensors/matrix.js'
import {
  firstInput,
  type Layout,
  liftCotangent,
  type OpenBranch,
  type OpenLayout,
  openLayout,
} from './branches.js'
import type { Cotangent, FirstAdjoint, Network, Parameters } from './network.js'
import { type Climb, checked, climb, type Factor } from './passes.js'
import { topSignals } from './top.js'

/**
 * One pass up and one down that give the gradients in W and in x together:
 *
 *   G_h = W_{h+1}ᵀ Q_{h+1}   (G_H = sign_b · scale · a Cᵀ),   Q_h = G_h ⊙ σ'(Z_h)      h = H … 1, neuron-major
 *   ∇_{W_h} = Q_h X_{h−1}ᵀ,   ∇_x = Σ_b (Q_1^b)ᵀ W_1^b A
 *
 * G_1 is the adjoint of the first block x ↦ σ(W_1 A x).
 */
export function jointGradients(
  layout: Layout,
  parameters: Parameters,
  x: tf.Tensor2D,
  cotangent: Cotangent,
): ReturnType<Network['jointGradients']> {
  return tf.tidy(() => {
    const net = openLayout(layout, parameters)
    const first = firstInput(net, x)
    const climbs = net.branches.map(branch => climb(branch, layout.activation, first))
    const tops = climbs.map(({ inputs }) => inputs.at(-1)!)
    const { outputs, signals } = topSignals(net, tops, checked(cotangent))
    const downs = net.branches.map((branch, b) =>
      descend(branch, climbs[b]!, signed(branch, signals[b]!)),
    )
    /** G_H, where it is the first block's. */
    const lifted = downs.some(({ adjoint }) => adjoint === null)
      ? liftCotangent(net, cotangent(outputs))
      : null
    const byName = new Map(
      net.branches.flatMap((branch, b) => factorsOf(branch, climbs[b]!, downs[b]!.signals)),
    )
    return {
      outputs,
      gradient: throughFirst(
        net,
        downs.map(({ signals }) => signals[0]!),
      ),
      factors: parameters.trained.map(({ name }) => byName.get(name)!),
      adjoint: downs.map(({ adjoint }, b) => adjoint ?? signed(net.branches[b]!, lifted!)),
    }
  })
}

/**
 * The gradient of Σ_b ⟨G^b, σ(W_1^b A x)⟩ in x, the adjoint G held fixed:
 *
 *   Σ_b (G^b ⊙ σ'(W_1^b A x))ᵀ W_1^b A
 */
export function firstBlockGradient(
  layout: Layout,
  parameters: Parameters,
  x: tf.Tensor2D,
  adjoint: FirstAdjoint,
): tf.Tensor2D {
  return tf.tidy(() => {
    const net = openLayout(layout, parameters)
    const first = firstInput(net, x)
    const signals = net.branches.map(({ layers }, b): tf.Tensor2D => {
      const z = timesMatrix(layers[0]!, first)
      return tf.mul(adjoint[b]!, layout.activation.derivative(z))
    })
    return throughFirst(net, signals)
  })
}

/** Q_1 … Q_H and G_1 of a branch, from Q_H; null for G_H. */
function descend(
  { layers }: OpenBranch,
  { slopes }: Climb,
  top: tf.Tensor2D,
): { readonly signals: readonly tf.Tensor2D[]; readonly adjoint: tf.Tensor2D | null } {
  const signals = [top]
  let adjoint: tf.Tensor2D | null = null
  for (let h = slopes.length - 1; h >= 0; h--) {
    adjoint = tf.transpose(matrixTimes(tf.transpose(signals[0]!), layers[h + 1]!))
    signals.unshift(tf.mul(adjoint, slopes[h]!))
  }
  return { signals, adjoint }
}

/** Name and factor of every matrix of a trained branch. */
function factorsOf(
  { trained, names }: OpenBranch,
  { inputs }: Climb,
  signals: readonly tf.Tensor2D[],
): [string, Factor][] {
  if (!trained) return []
  return names.map((name, h) => [
    name,
    { name, signal: signals[h]!, input: tf.transpose(inputs[h]!) as tf.Tensor2D },
  ])
}

/** Σ_b (Q_1^b)ᵀ W_1^b A: [n, inputs]. */
function throughFirst(net: OpenLayout, signals: readonly tf.Tensor2D[]): tf.Tensor2D {
  const sum = net.branches
    .map(({ layers }, b) => matrixTimes(tf.transpose(signals[b]!), layers[0]!))
    .reduce((a, b) => tf.add(a, b))
  return net.input === null ? sum : matrixTimes(sum, net.input)
}

function signed({ sign }: OpenBranch, tensor: tf.Tensor2D): tf.Tensor2D {
  return sign > 0 ? tf.clone(tensor) : tf.neg(tensor)
}
