import * as tf from '@tensorflow/tfjs-core'
import type { Activation } from '../activations/activation.js'
import { assertShape, SaddleError } from '../errors.js'
import { type Matrix, rowsTensor, timesMatrix } from '../tensors/matrix.js'
import type { Parameters } from './network.js'

/**
 * What all networks of the paper have in common:
 *
 *   f(x) = scale · aᵀ Σ_b sign_b σ(W_H^b σ(W_{H−1}^b … σ(W_1^b A x)))
 *
 * with one frozen output matrix a and one first map A (none in equation (4), F of W_1 A = U F where it is folded) for all
 * branches b.
 *
 *   equation (1)      one branch, scale 1
 *   mirrored          two trained branches of signs + and −, scale 1/√2
 *   subtract          the trained branch minus the same branch at W_0, scale 1
 *   equation (4)      the halves w and w̄ of signs + and −, scale 1/√m
 *
 * The branches are subtracted neuron by neuron before anything is summed: where they agree, f is 0 to the last bit.
 */
export interface Layout {
  readonly activation: Activation
  readonly scale: number
  /** The first one has sign 1. */
  readonly branches: readonly Branch[]
}

export interface Branch {
  readonly sign: 1 | -1
  /** Names of its matrices W_1 … W_H in `parameters.trained`. */
  readonly layers: readonly string[]
  /** Its matrices now, or those it started from (then it is not trained). */
  readonly reads: 'weights' | 'initial'
}

/** A branch with its matrices at hand. */
export interface OpenBranch {
  readonly sign: 1 | -1
  readonly trained: boolean
  /** Of W_1 … W_H. */
  readonly names: readonly string[]
  /** W_1 … W_H */
  readonly layers: readonly Matrix[]
}

/** A layout with the matrices it reads. */
export interface OpenLayout {
  readonly layout: Layout
  readonly branches: readonly OpenBranch[]
  /** a: [width, outputs] */
  readonly output: Matrix
  /** A: [width, inputs], or F: [min(width, inputs), inputs]; null in equation (4), which has none. */
  readonly input: Matrix | null
}

/** @throws SaddleError SHAPE if the parameters are of another network. */
export function openLayout(layout: Layout, parameters: Parameters): OpenLayout {
  const byName = new Map(parameters.trained.map(matrix => [matrix.name, matrix]))
  const branches = layout.branches.map(({ sign, reads, layers }) => ({
    sign,
    trained: reads === 'weights',
    names: layers,
    layers: layers.map(name => (byName.get(name) ?? missing(name))[reads]),
  }))
  const { output = missing('output'), input = null } = parameters.frozen
  return { layout, branches, output, input }
}

/** x, its shape checked. */
export function seenBy({ branches, input }: OpenLayout, x: tf.Tensor2D): tf.Tensor2D {
  assertShape('input of the network', x.shape, [-1, (input ?? branches[0]!.layers[0]!).cols])
  return x
}

/** A x, or F x, or x itself without a first map, neuron-major: [cols of W_1, n]. One tensor serves all branches. */
export function firstInput(net: OpenLayout, x: tf.Tensor2D): tf.Tensor2D {
  const columns = tf.transpose(seenBy(net, x))
  const { input } = net
  return input === null ? columns : timesMatrix(input, columns)
}

/** Σ_b sign_b t_b. */
export function signedSum(
  branches: readonly OpenBranch[],
  tensors: readonly tf.Tensor[],
): tf.Tensor2D {
  let sum = tensors[0]!
  for (let b = 1; b < tensors.length; b++)
    sum = branches[b]!.sign > 0 ? tf.add(sum, tensors[b]!) : tf.sub(sum, tensors[b]!)
  return sum as tf.Tensor2D
}

/** scale · a Cᵀ for cotangents C: [n, outputs]; returns [width, n]. */
export function liftCotangent({ layout, output }: OpenLayout, cotangent: tf.Tensor2D): tf.Tensor2D {
  const a = rowsTensor(output, 0, output.rows)
  return tf.matMul(a, tf.transpose(tf.mul(cotangent, layout.scale)))
}

function missing(name: string): never {
  throw new SaddleError(
    'SHAPE',
    `The network's parameters lack the matrix "${name}". Pass what \`initialise\` of the same network returned.`,
    { name },
  )
}
