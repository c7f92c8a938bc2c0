import * as tf from '@tensorflow/tfjs-core'
import { relu } from '../activations/rectifiers.js'
import { assertShape } from '../errors.js'
import type { ArrayAlgebra } from '../tensors/algebra.js'
import { floatsOf } from '../tensors/arrays.js'
import { currentBackend } from '../tensors/backends.js'
import { type Layout, type OpenLayout, openLayout } from './branches.js'
import { times, timesTransposed } from './first-map.js'
import { BranchFollower } from './follow-branch.js'
import type { Cotangent, Follower, GradientFactor, Parameters } from './network.js'
import { gradientFactors, inputGradient } from './passes.js'

/** Passes after which a sum that was only ever changed is formed anew, so that rounding can't pile up. */
const REFRESH = 50

/**
 * Passes along a sequence of nearby points, such as the iterates of an attack. For a scalar relu network
 *
 *   ∇_x f = … (W_Hᵀ s),   s = a ⊙ 1{Z_H > 0}
 *
 * and between nearby points few entries of s change: a step of length η from ‖x‖ = 1 flips about η/π of them. W_Hᵀ s is
 * kept, and changed by the rows of W_H whose neurons flip: the same up to rounding, for a tenth of the product. f itself
 * costs no product with a, for relu networks without bias are positively homogeneous: f(x) = ⟨∇_x f(x), x⟩ (Euler).
 *
 * Where the backend has no algebra on arrays, or the network has another activation or several outputs, these are the
 * plain passes.
 */
export function follow(layout: Layout, parameters: Parameters): Follower {
  const algebra = currentBackend().algebra?.() ?? null
  const net = openLayout(layout, parameters)
  if (algebra === null || layout.activation !== relu || net.output.cols !== 1)
    return {
      forget() {},
      inputGradient: (x, cotangent) => inputGradient(layout, parameters, x, cotangent),
      gradientFactors: (x, cotangent) => gradientFactors(layout, parameters, x, cotangent),
    }
  const positions = new Map<number, Position>()
  const moveTo = (x: tf.Tensor2D): Position => {
    const n = x.shape[0]
    assertShape('input of the network', x.shape, [-1, (net.input ?? firstOf(net)).cols])
    const position = positions.get(n) ?? new Position(net, algebra, n)
    positions.set(n, position)
    position.moveTo(floatsOf(x))
    return position
  }
  return {
    forget() {
      for (const position of positions.values()) position.forget()
    },
    inputGradient: (x, cotangent) => moveTo(x).inputGradient(cotangent),
    gradientFactors(x, cotangent) {
      const { outputs, factors } = moveTo(x).gradientFactors(cotangent)
      const named = new Map(factors.map(factor => [factor.name, factor]))
      return { outputs, factors: parameters.trained.map(({ name }) => named.get(name)!) }
    },
  }
}

function firstOf({ branches }: OpenLayout) {
  return branches[0]!.layers[0]!
}

/** A network at a point, with buffers for n examples. */
class Position {
  readonly #examples: number
  #passes = 0
  readonly #net: OpenLayout
  readonly #algebra: ArrayAlgebra
  readonly #branches: readonly BranchFollower[]
  /** A x, and Σ_b sign_b ∇f_b: [n, cols of W_1]. */
  readonly #lifted: Float32Array
  readonly #sum: Float32Array
  readonly #x: Float32Array

  constructor(net: OpenLayout, algebra: ArrayAlgebra, n: number) {
    this.#examples = n
    this.#net = net
    this.#algebra = algebra
    this.#branches = net.branches.map(
      ({ layers }) => new BranchFollower(layers, net.output.data, algebra, n),
    )
    const { cols } = firstOf(net)
    this.#x = new Float32Array(n * (net.input?.cols ?? cols))
    this.#lifted = new Float32Array(net.input === null ? 0 : n * cols)
    this.#sum = new Float32Array(n * cols)
  }

  forget(): void {
    this.#passes = 0
  }

  /** x: [n, inputs]. */
  moveTo(x: Float32Array): void {
    if (this.#passes++ % REFRESH === 0) for (const branch of this.#branches) branch.clear()
    this.#x.set(x)
    const { input } = this.#net
    if (input !== null) timesTransposed(this.#algebra, input, x, this.#lifted)
    for (const branch of this.#branches) branch.moveTo(this.#first)
  }

  inputGradient(cotangent: Cotangent) {
    const n = this.#examples
    const gradient = this.#throughInput(this.#signedGradient())
    const { scale } = this.#net.layout
    const outputs = tf.tensor2d(contract(gradient, this.#x, scale, n), [n, 1])
    const c = checked(cotangent, outputs)
    const factor = Float32Array.from(c, c => scale * c)
    scaleRows(gradient, factor)
    return { outputs, gradient: tf.tensor2d(gradient, [n, gradient.length / n]) }
  }

  gradientFactors(cotangent: Cotangent) {
    const n = this.#examples
    const { branches, layout } = this.#net
    const outputs = tf.tensor2d(this.#outputs(), [n, 1])
    const c = checked(cotangent, outputs)
    const factors = branches.flatMap(({ sign, trained, names, layers }, b): GradientFactor[] => {
      if (!trained) return []
      const follower = this.#branches[b]!
      const signals = follower.scaledSignals(Float32Array.from(c, c => layout.scale * sign * c))
      const inputs = follower.inputs()
      return names.map((name, h) => ({
        name,
        signal: tf.tensor2d(signals[h]!, [layers[h]!.rows, n]),
        input: tf.tensor2d(inputs[h]!, [n, layers[h]!.cols]),
      }))
    })
    return { outputs, factors }
  }

  get #first(): Float32Array {
    return this.#net.input === null ? this.#x : this.#lifted
  }

  #outputs(): Float32Array {
    const { branches, layout } = this.#net
    const parts = this.#branches.map(branch => branch.outputs())
    return Float32Array.from(
      { length: this.#examples },
      (_, i) => layout.scale * parts.reduce((sum, f, b) => sum + branches[b]!.sign * f[i]!, 0),
    )
  }

  /** Σ_b sign_b ∇f_b in x⁽⁰⁾. */
  #signedGradient(): Float32Array {
    const sum = this.#sum
    this.#branches.forEach((branch, b) => {
      const part = branch.inputGradient()
      const { sign } = this.#net.branches[b]!
      if (b === 0) sum.set(part)
      else for (let k = 0; k < sum.length; k++) sum[k] = sum[k]! + sign * part[k]!
    })
    return sum
  }

  /** g A for g: [n, rows of A]; a new array. */
  #throughInput(g: Float32Array): Float32Array {
    const { input } = this.#net
    if (input === null) return Float32Array.from(g)
    const out = new Float32Array(this.#examples * input.cols)
    times(this.#algebra, input, g, out)
    return out
  }
}

/** scale · ⟨g_i, x_i⟩, summed in float64: [n]. */
function contract(g: Float32Array, x: Float32Array, scale: number, n: number): Float32Array {
  const d = x.length / n
  const out = new Float32Array(n)
  for (let i = 0, k = 0; i < n; i++) {
    let sum = 0
    for (const stop = k + d; k < stop; k++) sum += g[k]! * x[k]!
    out[i] = scale * sum
  }
  return out
}

/** Row i times c_i. */
function scaleRows(g: Float32Array, c: Float32Array): void {
  const d = g.length / c.length
  for (let i = 0, k = 0; i < c.length; i++)
    for (const stop = k + d; k < stop; k++) g[k] = g[k]! * c[i]!
}

/** The cotangent's numbers: [n]. */
function checked(cotangent: Cotangent, outputs: tf.Tensor2D): Float32Array {
  const c = cotangent(outputs)
  assertShape('cotangent of the outputs', c.shape, outputs.shape)
  return c.dataSync<'float32'>()
}
