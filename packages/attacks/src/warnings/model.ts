import { scoped } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attackable, AttackOptions } from '../attack.js'
import { objectiveOf } from '../losses/attack-loss.js'
import { viewOf } from '../view.js'
import type { AttackWarning } from './warning.js'

/** Passes that are compared, and the relative difference that is more than rounding: AutoAttack's. */
const PASSES = 5
const DIFFERENT = 1e-4

/** What softmax in float32 misses 1 by, a class. */
const ROUNDING = 1e-6

/** What a model does at each example itself, [n] each, 1 where it holds: flags of several batches may be joined. */
export interface ModelFlags {
  /** Outputs or gradients are not finite. */
  readonly wild: Int32Array
  /** All coordinates of the objective's gradient are 0. */
  readonly flat: Int32Array
  /** Several outputs are not negative and sum to 1, as those of softmax do and scores hardly ever. */
  readonly probabilities: Int32Array
  /** Passes at the same point differ by more than rounding. */
  readonly random: Int32Array
}

/**
 * What a model does at x itself that may make attacks on it say little, and its outputs there, which belong to the caller.
 * Costs five forward passes and a gradient pass.
 *
 * @throws SaddleError as `attack.run`.
 */
export function examineModel(
  model: Attackable,
  x: tf.Tensor2D,
  y: tf.Tensor1D,
  options: AttackOptions,
): { readonly outputs: tf.Tensor2D; readonly flags: ModelFlags } {
  const view = viewOf(model, x, y, options)
  const n = x.shape[0]
  let flags: ModelFlags | undefined
  const outputs = tf.tidy(() => {
    const { outputs, gradient } = view.gradient(view.centres, objectiveOf(view).derivative)
    const [f, g] = [rowsOf(outputs), rowsOf(gradient)]
    const passes = Array.from({ length: PASSES }, () => rowsOf(view.outputs(view.centres)))
    const flagged = (holds: (i: number) => boolean) =>
      Int32Array.from({ length: n }, (_, i) => Number(holds(i)))
    flags = {
      wild: flagged(i => ![...f(i), ...g(i)].every(Number.isFinite)),
      flat: flagged(i => g(i).every(value => value === 0)),
      probabilities: flagged(i => isDistribution(f(i))),
      random: flagged(i => passes.some(pass => differs(pass(i), passes[0]!(i)))),
    }
    return outputs
  })
  return { outputs, flags: flags! }
}

function rowsOf(x: tf.Tensor2D): (i: number) => Float32Array {
  const [values, d] = [x.dataSync<'float32'>(), x.shape[1]]
  return i => values.subarray(i * d, (i + 1) * d)
}

function isDistribution(row: Float32Array): boolean {
  const sum = row.reduce((a, b) => a + b, 0)
  return row.length > 1 && row.every(v => v >= 0) && Math.abs(sum - 1) <= row.length * ROUNDING
}

function differs(a: Float32Array, b: Float32Array): boolean {
  return Math.hypot(...a.map((v, j) => v - b[j]!)) > DIFFERENT * Math.hypot(...b)
}

/** What the flags of some examples say of the model. */
export function flagWarnings({ wild, flat, probabilities, random }: ModelFlags): AttackWarning[] {
  const of = wild.length
  const warning = (code: AttackWarning['code'], examples: number, message: string) =>
    examples === 0 ? [] : [{ code, message, fields: { examples, of } }]
  const [strange, still, drawn] = [sum(wild), sum(flat), sum(random)]
  const soft = sum(probabilities)
  return [
    ...warning(
      'not-finite',
      strange,
      `Outputs or gradients of ${strange} of ${of} examples are not finite: the model overflows, or its weights are damaged. Attacks leave such examples where they are.`,
    ),
    ...warning(
      'zero-gradient',
      still,
      `The gradient of the loss is exactly 0 at ${still} of ${of} examples: an attack that ascends it from there stands still. Take one with a loss of its own (margin, dlr), a random start, or one that needs no gradients.`,
    ),
    ...warning(
      'probabilities',
      soft < of ? 0 : soft,
      'The outputs of all examples are probabilities (not negative, sum 1). Attacks expect logits: softmax hides the gradient where the model is sure. Leave the softmax out.',
    ),
    ...warning(
      'randomised',
      drawn,
      `Passes of the same ${drawn} of ${of} examples differ: the model is random. Attack its expectation (expectationOver, or version "rand" of AutoAttack).`,
    ),
  ]
}

/** The warnings about a model on one batch: `examineModel`, and what its flags say. */
export function modelWarnings(
  model: Attackable,
  x: tf.Tensor2D,
  y: tf.Tensor1D,
  options: AttackOptions,
): AttackWarning[] {
  return scoped(() => flagWarnings(examineModel(model, x, y, options).flags))
}

function sum(flags: Int32Array): number {
  return flags.reduce((a, b) => a + b, 0)
}
