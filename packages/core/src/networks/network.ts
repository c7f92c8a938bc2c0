import type * as tf from '@tensorflow/tfjs-core'
import type { Activation } from '../activations/activation.js'
import type { Matrix, RowRange } from '../tensors/matrix.js'

/**
 * One trained matrix with all that is known of it: W = W_0 + D. For the first layer of a folded network it is U of
 * W⁽¹⁾A = U F (see fold.ts), which changes by as much: ‖U − U_0‖_F = ‖W⁽¹⁾ − W⁽¹⁾_0‖_F.
 *
 * The displacement is what the optimiser changes and a checkpoint keeps. `weights` is always recomputed from `initial`
 * and `displacement`, never accumulated into.
 */
export interface TrainedMatrix {
  /** `layers.h` for W⁽ʰ⁾; `layers.h+` and `layers.h-` where there are two copies (mirrored) or halves (two-layer). */
  readonly name: string
  /** W: what the passes read. [rows, cols] */
  readonly weights: Matrix
  /** W_0. [rows, cols]. Training never writes to it: copies that start alike share its memory. */
  readonly initial: Matrix
  /** D = W − W_0. [rows, cols] */
  readonly displacement: Matrix
}

/** Everything a network holds, in shared memory; can be posted to a worker as it is. */
export interface Parameters {
  readonly trained: readonly TrainedMatrix[]
  /**
   * Frozen matrices by name: `output` ([width, outputs]: a; [width/2, outputs] for `two-layer`, whose pairs share it up
   * to the sign), and `input` of `deep`: A [width, inputs], or F [min(width, inputs), inputs] of the folded form.
   */
  readonly frozen: Readonly<Record<string, Matrix>>
}

/** ∂(objective)/∂outputs [n, outputs], given the outputs [n, outputs] of the pass it belongs to. */
export type Cotangent = (outputs: tf.Tensor2D) => tf.Tensor2D

/** The gradient of Σ_i ⟨cotangent_i, f(x_i)⟩ in one trained matrix is `signal · input`, never formed here. */
export interface GradientFactor {
  readonly name: string
  /** [rows, n]: backpropagated signals times cotangents, one column an example. */
  readonly signal: tf.Tensor2D
  /** [n, cols]: the layer's inputs, one row an example. */
  readonly input: tf.Tensor2D
}

/** ∂(objective)/∂X_1 of every branch, X_1 = σ(W_1 A x) the first block's values: [rows of W_1, n]. */
export type FirstAdjoint = readonly tf.Tensor2D[]

/** The passes of a `Network` at given parameters. x: [n, inputs]; it holds buffers for every n that it has seen. */
export interface Follower {
  /** Forgets the last point, not its buffers: to be called when the weights have changed. */
  forget(): void
  inputGradient(
    x: tf.Tensor2D,
    cotangent: Cotangent,
  ): { readonly outputs: tf.Tensor2D; readonly gradient: tf.Tensor2D }
  /** The factors are valid until the next pass. */
  gradientFactors(
    x: tf.Tensor2D,
    cotangent: Cotangent,
  ): { readonly outputs: tf.Tensor2D; readonly factors: readonly GradientFactor[] }
}

/** A ball B(R) is a product of Frobenius balls, each over a group of trained matrices. */
export interface BallGroup {
  readonly names: readonly string[]
  /** Radius for R = 1: 1/√m a layer in Section 4 of the paper, 1 for all of W in Section 5. */
  readonly unit: number
}

/** What is needed to build a network again, in another thread or from a run folder. Plain JSON. */
export interface NetworkSpec {
  /** `deep`: equation (1). `two-layer`: equation (4). */
  readonly family: 'deep' | 'two-layer'
  /** d: dimension of the points the network sees (after normalisation, bias or lift). */
  readonly inputs: number
  /** m: neurons a layer; even for `two-layer`. */
  readonly width: number
  /** H: trained hidden layers of `deep`; 1 for `two-layer`. */
  readonly depth: number
  /** 1 for scalar networks with labels ±1; c for c classes (footnote 2). */
  readonly outputs: number
  /** By name, such as `relu` or `softplus:4`; `deep` takes `relu` only, as in the paper. */
  readonly activation: string
  /** `deep`: paper, mirrored (f₁ − f₂)/√2, subtract f − f_0. `two-layer`: symmetric. */
  readonly init: 'paper' | 'mirrored' | 'subtract' | 'symmetric'
  /** `deep` only: `folded` holds U with W⁽¹⁾A = U F; `dense` holds W⁽¹⁾ itself and is the reference in tests. */
  readonly first?: 'folded' | 'dense'
}

/**
 * A network of the paper: pure functions over parameters. Tensors passed in are not disposed of; tensors
 * returned belong to the caller (call inside `tf.tidy`). x: [n, inputs], one example a row.
 */
export interface Network {
  readonly spec: NetworkSpec
  readonly activation: Activation
  /** The groups of B(R): one a layer for `deep`, one for everything for `two-layer`. */
  readonly ball: readonly BallGroup[]
  /**
   * Allocates shared memory and draws W_0 (and A or F, a) from `seed`; displacement is 0 and weights are W_0.
   *
   * @param neurons with one hidden layer: draws and holds only these rows of its trained matrices and of a, the same
   *   numbers as in the whole (see `sliceParameters`).
   * @throws SaddleError SHAPE if there are more layers, RANGE if there are no such neurons.
   */
  initialise(seed: number, neurons?: RowRange): Parameters
  /** f(W, x): [n, outputs]. */
  forward(parameters: Parameters, x: tf.Tensor2D): tf.Tensor2D
  /** f and the gradient of Σ_i ⟨cotangent_i, f(x_i)⟩ in x: [n, inputs]. */
  inputGradient(
    parameters: Parameters,
    x: tf.Tensor2D,
    cotangent: Cotangent,
  ): ReturnType<Follower['inputGradient']>
  /**
   * The passes along a sequence of nearby points of the same examples, such as the iterates of an attack: the same up
   * to rounding, and cheaper from the second point on where the backend and the network allow it. It remembers the last
   * point: one for each sequence.
   */
  follow(parameters: Parameters): Follower
  /** f and the gradient in every trained matrix, as factors, in the order of `parameters.trained`. */
  gradientFactors(
    parameters: Parameters,
    x: tf.Tensor2D,
    cotangent: Cotangent,
  ): ReturnType<Follower['gradientFactors']>
  /**
   * Both gradients from one pass up and one down: what `gradientFactors` and `inputGradient` give, up to rounding, and the
   * adjoint of the first block for `firstBlockGradient`. As many products as `inputGradient` alone.
   */
  jointGradients(
    parameters: Parameters,
    x: tf.Tensor2D,
    cotangent: Cotangent,
  ): {
    readonly outputs: tf.Tensor2D
    readonly gradient: tf.Tensor2D
    readonly factors: readonly GradientFactor[]
    readonly adjoint: FirstAdjoint
  }
  /**
   * The gradient in x, [n, inputs], of ⟨adjoint, X_1(x)⟩, where X_1 = σ(W_1 A x) and the adjoint is held fixed: what
   * ∇_x would be if nothing above the first layer changed with x. Costs the products with W_1 and A, up and down.
   */
  firstBlockGradient(parameters: Parameters, x: tf.Tensor2D, adjoint: FirstAdjoint): tf.Tensor2D
  /** The same function as a bias-free multilayer perceptron, for export. */
  toPerceptron(parameters: Parameters): Perceptron
}

/** f(x) = V σ(W_H … σ(W_1 x)): what `saddle export` writes; each loads as a `Linear` layer without bias. */
export interface Perceptron {
  readonly activation: string
  readonly layers: readonly {
    readonly name: string
    readonly rows: number
    readonly cols: number
    readonly data: Float32Array
  }[]
}
