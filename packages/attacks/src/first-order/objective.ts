import { SaddleError } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attackable } from '../attack.js'
import { type AttackLossName, type Objective, objectiveOf } from '../losses/attack-loss.js'
import type { Side } from './ascent.js'

/**
 * The searches of one restart. `two-sided`: since ℓ is convex in f, its maximum over B(x) is at the largest or the
 * smallest f, so +f and −f are ascended and the larger loss is kept.
 *
 * @throws SaddleError CONFIG if a two-sided search meets a model with several outputs.
 */
export function sidesOf(
  kind: 'loss' | 'two-sided',
  loss: AttackLossName | 'divergence' | undefined,
  model: Attackable,
): Side[] {
  if (kind === 'loss') return [view => objectiveOf(view, loss)]
  if (model.outputs === 1)
    return [ascendOutput(1), ascendOutput(-1)].map(derivative => view => ({
      ...objectiveOf(view, loss),
      derivative,
    }))
  throw new SaddleError(
    'CONFIG',
    `A two-sided search ascends +f and −f of a scalar network, but the model has ${model.outputs} outputs. ` +
      'Use objective "loss".',
    { outputs: model.outputs },
  )
}

/** +f or −f, for one output. */
function ascendOutput(sign: 1 | -1): Objective['derivative'] {
  return outputs => tf.fill([outputs.shape[0], 1], sign)
}
