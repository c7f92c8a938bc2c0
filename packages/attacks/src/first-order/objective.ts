import { SaddleError } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attackable, AttackSpec } from '../attack.js'
import type { View } from '../view.js'

/** What a search ascends, as the cotangent ∂(objective)/∂f: [n, outputs] from the outputs. */
export type Objective = (outputs: tf.Tensor2D) => tf.Tensor2D

/** ℓ(f, y) itself. It stalls where ∂ℓ/∂f = 0, for two-sided losses at f = y. */
export function ascendLoss({ loss, labels }: View): Objective {
  return outputs => loss.derivative(outputs, labels)
}

/** +f or −f, for one output. */
function ascendOutput(sign: 1 | -1): Objective {
  return outputs => tf.fill([outputs.shape[0], 1], sign)
}

/**
 * The searches of one restart. `two-sided`: since ℓ is convex in f, its maximum over B(x) is at the largest or the
 * smallest f, so +f and −f are ascended and the larger loss is kept.
 *
 * @throws SaddleError CONFIG if a two-sided search meets a model with several outputs.
 */
export function objectivesOf(
  kind: Extract<AttackSpec, { kind: 'pgd' }>['objective'],
  model: Attackable,
  view: View,
): Objective[] {
  if (kind === 'loss') return [ascendLoss(view)]
  if (model.outputs === 1) return [ascendOutput(1), ascendOutput(-1)]
  throw new SaddleError(
    'CONFIG',
    `A two-sided search ascends +f and −f of a scalar network, but the model has ${model.outputs} outputs. ` +
      'Use objective "loss".',
    { outputs: model.outputs },
  )
}
