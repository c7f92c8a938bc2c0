import * as tf from '@tensorflow/tfjs-core'
import type { FusedKernels } from '../tensors/fused.js'
import { addTo, eachRowBlockTogether, type Matrix, rowsTensor } from '../tensors/matrix.js'
import { residentTensor } from '../tensors/resident.js'
import { type OpenBranch, type OpenLayout, signedSum } from './branches.js'
import type { Cotangent } from './network.js'

/**
 * The passes of passes.ts by fused kernels, for backends that keep matrices and take transposed operands:
 *
 *   up:    Z_h = W_h X_{h−1},   X_h = relu(Z_h) over Z_h                       neuron-major, [rows, n]
 *   top:   f = scale · aᵀ Σ_b sign_b σ(Z_H^b),   S_b = a ⊙ σ'(Z_H^b) over Z_H^b
 *   down:  Q_{H−1} = (W_Hᵀ S) ⊙ 1{X_{H−1} > 0} over itself, …,   ∇_x = Q_1ᵀ W_1
 *
 * Nothing is transposed but by the products, and σ'(Z_h) below the top is read from X_h.
 */

/** X_0 … X_{H−1} of every branch; X_0 is [n, cols], the others [cols, n]. */
interface Climbed {
  readonly first: tf.Tensor2D
  readonly hidden: readonly (readonly tf.Tensor2D[])[]
}

/** f and the gradient of Σ_i ⟨cotangent_i, f(x_i)⟩ in X_0, and where that is x, in x. Call inside `tf.tidy`. */
export function fusedInputGradient(
  net: OpenLayout,
  kernels: FusedKernels,
  x: tf.Tensor2D,
  cotangent: Cotangent,
): { readonly outputs: tf.Tensor2D; readonly gradient: tf.Tensor2D } {
  const climbed = climb(net, x)
  const { scale } = net.layout
  if (net.output.cols > 1) {
    const { outputs, signals } = fusedTopSignals(net, kernels, climbed, cotangent)
    const parts = net.branches.map((branch, b) => {
      const top = branch.layers.at(-1)!
      return down(branch, kernels, climbed.hidden[b]!, product(branch, top, signals[b]!))
    })
    return { outputs, gradient: throughInput(net, signedSum(net.branches, parts)) }
  }
  const { outputs, parts } = scalarTop(net, kernels, climbed)
  const gradients = net.branches.map((branch, b) =>
    down(branch, kernels, climbed.hidden[b]!, parts[b]!),
  )
  // ∇(c_i f(x_i)) = c_i ∇f(x_i): the cotangent is a factor of each row.
  const factor = scaled(cotangent(outputs), scale)
  return {
    outputs,
    gradient: tf.mul(throughInput(net, signedSum(net.branches, gradients)), factor),
  }
}

/** f: [n, outputs]. */
export function fusedOutputs(net: OpenLayout, kernels: FusedKernels, x: tf.Tensor2D): tf.Tensor2D {
  const climbed = climb(net, x)
  const { name } = net.layout.activation
  return outputsOf(net, climbed, (z, a) => tf.matMul(kernels.values(name, z), a, true))
}

/** f, and the gradient in the matrices of every trained branch as factors, branch by branch. */
export function fusedFactors(
  net: OpenLayout,
  kernels: FusedKernels,
  x: tf.Tensor2D,
  cotangent: Cotangent,
) {
  const climbed = climb(net, x)
  const { outputs, signals } = fusedTopSignals(net, kernels, climbed, cotangent)
  const factors = net.branches.flatMap((branch, b) => {
    if (!branch.trained) return []
    const hidden = climbed.hidden[b]!
    const top = branch.sign > 0 ? signals[b]! : (tf.neg(signals[b]!) as tf.Tensor2D)
    const all = [...signalsBelow(branch, kernels, hidden, top), top]
    const inputs = [tf.clone(climbed.first), ...hidden.map((x): tf.Tensor2D => tf.transpose(x))]
    return branch.names.map((name, h) => ({ name, signal: all[h]!, input: inputs[h]! }))
  })
  return { outputs, factors }
}

function climb(net: OpenLayout, x: tf.Tensor2D): Climbed {
  const first = net.input === null ? tf.clone(x) : rightProduct(x, net.input)
  const hidden = net.branches.map(({ layers }) => {
    const all: tf.Tensor2D[] = []
    for (const layer of layers.slice(0, -1))
      all.push(
        tf.tidy(() => tf.relu(leftProduct(residentTensor(layer), all.at(-1) ?? null, first))),
      )
    return all
  })
  return { first, hidden }
}

/** X Aᵀ: [n, rows of A]. */
function rightProduct(x: tf.Tensor2D, a: Matrix): tf.Tensor2D {
  return tf.matMul(x, residentTensor(a), false, true)
}

/** W X_{h−1}: [rows, n]; `below` is X_{h−1} unless that is X_0. */
function leftProduct(w: tf.Tensor2D, below: tf.Tensor2D | null, first: tf.Tensor2D): tf.Tensor2D {
  return below === null ? tf.matMul(w, first, false, true) : tf.matMul(w, below)
}

/** f, from what `part` makes of a block of neurons: Z of every branch [rows, n] and a [rows, outputs] to [n, outputs]. */
function outputsOf(
  net: OpenLayout,
  { first, hidden }: Climbed,
  part: (z: tf.Tensor2D[], a: tf.Tensor2D, weights: readonly tf.Tensor2D[]) => tf.Tensor2D,
): tf.Tensor2D {
  let sum: tf.Tensor2D | undefined
  const tops = net.branches.map(({ layers }) => layers.at(-1)!)
  eachRowBlockTogether(tops, (weights, start, stop) => {
    const z = weights.map((w, b) => leftProduct(w, hidden[b]!.at(-1) ?? null, first))
    const a = rowsTensor(net.output, start, stop)
    sum = addTo(sum, part(z, a, weights))
    a.dispose()
  })
  return scaled(sum!, net.layout.scale)
}

/** f [n, 1], and of each branch the gradient of f/scale below its top layer, without its sign. */
function scalarTop(net: OpenLayout, kernels: FusedKernels, climbed: Climbed) {
  const { name } = net.layout.activation
  const parts: (tf.Tensor2D | undefined)[] = net.branches.map(() => undefined)
  const outputs = outputsOf(net, climbed, (z, a, weights) => {
    const hidden = kernels.valuesAndSignals(name, z, a)
    const part: tf.Tensor2D = tf.matMul(hidden, a, true)
    hidden.dispose()
    for (const [b, signal] of z.entries()) {
      parts[b] = addTo(parts[b], below(net.branches[b]!, weights[b]!, signal))
      signal.dispose()
    }
    return part
  })
  return { outputs, parts: parts as tf.Tensor2D[] }
}

/** f, and of each branch scale · (a Cᵀ) ⊙ σ'(Z_H), without its sign: [rows, n]. */
function fusedTopSignals(
  net: OpenLayout,
  kernels: FusedKernels,
  climbed: Climbed,
  cotangent: Cotangent,
) {
  const { activation, scale } = net.layout
  const blocks: { readonly z: tf.Tensor2D[]; readonly start: number }[] = []
  let start = 0
  const outputs = outputsOf(net, climbed, (z, a) => {
    blocks.push({ z, start })
    start += a.shape[0]
    const hidden = kernels.values(activation.name, z)
    const part: tf.Tensor2D = tf.matMul(hidden, a, true)
    hidden.dispose()
    return part
  })
  const c = cotangent(outputs)
  for (const { z, start } of blocks) {
    const a = rowsTensor(net.output, start, start + z[0]!.shape[0])
    for (const values of z) kernels.signals(activation.name, values, a, c, scale)
    a.dispose()
  }
  const signals = net.branches.map((_, b) => {
    const parts = blocks.map(({ z }) => z[b]!)
    if (parts.length === 1) return parts[0]!
    const whole = tf.concat2d(parts, 0)
    tf.dispose(parts)
    return whole
  })
  return { outputs, signals }
}

/** The gradient below the layer of these rows: [n, cols] where that is X_0's, else [cols, n]. */
function below({ layers }: OpenBranch, w: tf.Tensor2D, signal: tf.Tensor2D): tf.Tensor2D {
  return layers.length === 1 ? tf.matMul(signal, w, true) : tf.matMul(w, signal, true)
}

function product(branch: OpenBranch, layer: Matrix, signal: tf.Tensor2D): tf.Tensor2D {
  return below(branch, residentTensor(layer), signal)
}

/** Q_1 … Q_{H−1} from the signal of W_H: [rows, n]. */
function signalsBelow(
  branch: OpenBranch,
  kernels: FusedKernels,
  hidden: readonly tf.Tensor2D[],
  top: tf.Tensor2D,
): tf.Tensor2D[] {
  const signals: tf.Tensor2D[] = []
  for (let h = hidden.length - 1; h >= 0; h--) {
    const above = signals[0] ?? top
    const q: tf.Tensor2D = tf.matMul(residentTensor(branch.layers[h + 1]!), above, true)
    kernels.mask(q, hidden[h]!)
    signals.unshift(q)
  }
  return signals
}

/** The gradient in X_0, [n, cols], from that below the top layer. */
function down(
  branch: OpenBranch,
  kernels: FusedKernels,
  hidden: readonly tf.Tensor2D[],
  belowTop: tf.Tensor2D,
): tf.Tensor2D {
  let q = belowTop
  for (let h = hidden.length - 1; h >= 0; h--) {
    kernels.mask(q, hidden[h]!)
    const w = residentTensor(branch.layers[h]!)
    q = h === 0 ? tf.matMul(q, w, true) : tf.matMul(w, q, true)
  }
  return q
}

function throughInput({ input }: OpenLayout, gradient: tf.Tensor2D): tf.Tensor2D {
  return input === null ? gradient : tf.matMul(gradient, residentTensor(input))
}

function scaled(x: tf.Tensor2D, scale: number): tf.Tensor2D {
  return scale === 1 ? x : tf.mul(x, scale)
}

/** The kernels, if they take networks of this layout: one branch, or one less another, of an activation they know. */
export function kernelsFor(
  { layout: { activation }, branches }: OpenLayout,
  kernels: FusedKernels | null,
): FusedKernels | null {
  if (kernels === null || !kernels.knows(activation.name)) return null
  const isDeep = branches[0]!.layers.length > 1
  if (isDeep && activation.name !== 'relu') return null
  const [, second, ...more] = branches
  return more.length === 0 && second?.sign !== 1 ? kernels : null
}
