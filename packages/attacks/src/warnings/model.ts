import { scoped } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attackable, AttackOptions } from '../attack.js'
import { objectiveOf } from '../losses/attack-loss.js'
import { viewOf } from '../view.js'
import type { AttackWarning } from './warning.js'

/** Passes that are compared, and the relative difference that is more than rounding: AutoAttack's. */
const PASSES = 5
const DIFFERENT = 1e-4

/** Slack of sums and bounds of probabilities, for float32. */
const SLACK = 1e-5

/**
 * What a model does at x itself that makes attacks on it say little. Costs five forward passes and a gradient pass; all
 * examples are looked at.
 *
 * @throws SaddleError as `attack.run`.
 */
export function modelWarnings(
  model: Attackable,
  x: tf.Tensor2D,
  y: tf.Tensor1D,
  options: AttackOptions,
): AttackWarning[] {
  return scoped(() => {
    const view = viewOf(model, x, y, options)
    const passes = Array.from({ length: PASSES }, () => view.outputs(view.centres))
    const { outputs, gradient } = view.gradient(view.centres, objectiveOf(view).derivative)
    return [
      ...finiteness(outputs, gradient),
      ...flatness(gradient),
      ...probabilities(outputs),
      ...randomness(
        passes.map(pass => pass.dataSync<'float32'>()),
        model.outputs,
      ),
    ]
  })
}

function finiteness(outputs: tf.Tensor2D, gradient: tf.Tensor2D): AttackWarning[] {
  const wild = rowsWhere(
    tf.concat([outputs, gradient], 1),
    row => !row.every(value => Number.isFinite(value)),
  )
  if (wild === 0) return []
  const n = outputs.shape[0]
  const message = `Outputs or gradients of ${wild} of ${n} examples are not finite. Attacks leave such examples where they are; look at the weights and at the scale of the inputs.`
  return [{ code: 'not-finite', message, fields: { examples: wild, of: n } }]
}

function flatness(gradient: tf.Tensor2D): AttackWarning[] {
  const flat = rowsWhere(gradient, row => row.every(value => value === 0))
  if (flat === 0) return []
  const n = gradient.shape[0]
  const message = `The gradient at ${flat} of ${n} examples is exactly 0, so attacks that follow it from there stand still. Take an attack with a loss of its own (margin, dlr), a random start, or one that needs no gradients.`
  return [{ code: 'zero-gradient', message, fields: { examples: flat, of: n } }]
}

function probabilities(outputs: tf.Tensor2D): AttackWarning[] {
  const [n, c] = outputs.shape
  const alike = rowsWhere(outputs, row => {
    const sum = row.reduce((a, b) => a + b, 0)
    return Math.abs(sum - 1) < SLACK && row.every(p => p > -SLACK && p < 1 + SLACK)
  })
  if (c === 1 || alike < n) return []
  const message =
    'The outputs of all examples are probabilities. Attacks expect logits: softmax hides the gradient where the model is sure. Leave the softmax out.'
  return [{ code: 'probabilities', message, fields: { of: n } }]
}

function randomness(passes: readonly Float32Array[], outputs: number): AttackWarning[] {
  const [first, ...others] = passes
  const n = first!.length / outputs
  const row = (pass: Float32Array, i: number) => pass.subarray(i * outputs, (i + 1) * outputs)
  const random = Array.from({ length: n }, (_, i) => {
    const at = row(first!, i)
    const apart = others.map(pass => Math.hypot(...row(pass, i).map((v, j) => v - at[j]!)))
    return Math.max(...apart) > DIFFERENT * Math.hypot(...at)
  }).filter(Boolean).length
  if (random === 0) return []
  const message = `Two passes of the same ${random} of ${n} examples differ: the model is random. Attack its expectation (expectationOver, or version "rand" of AutoAttack).`
  return [{ code: 'randomised', message, fields: { examples: random, of: n } }]
}

function rowsWhere(x: tf.Tensor2D, holds: (row: Float32Array) => boolean): number {
  const [n, d] = x.shape
  const values = x.dataSync<'float32'>()
  let count = 0
  for (let i = 0; i < n; i++) if (holds(values.subarray(i * d, (i + 1) * d))) count++
  return count
}
