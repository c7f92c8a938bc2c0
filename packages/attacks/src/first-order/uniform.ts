import { SaddleError } from '@saddle/core'
import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import { objectiveOf } from '../losses/attack-loss.js'
import { advanced } from '../tidied.js'
import { better, noChampion } from './champion.js'
import { startStreams, stopIfAsked } from './run.js'

export interface UniformSpec {
  readonly kind: 'uniform'
  /** Points tried, ≥ 1. */
  readonly draws: number
  readonly fosc?: boolean | undefined
}

/** Default: 1 draw. */
export type UniformOptions = Partial<Omit<UniformSpec, 'kind'>>

/**
 * Random points of B(x), the one with the largest loss kept for every example: what an attack without gradients
 * must beat. Draw k of example i is keyed (seed, purpose, step, i, k). Several draws cost a forward pass each.
 *
 * @throws SaddleError CONFIG unless `draws` is a positive integer; `run` throws SHAPE, CONFIG and STOPPED as `pgd`.
 */
export function uniform(options: UniformOptions = {}): Attack {
  const { draws = 1 } = options
  if (!Number.isSafeInteger(draws) || draws < 1)
    throw new SaddleError(
      'CONFIG',
      `Attack "uniform": expected a positive whole number of draws, got ${draws}.`,
      { draws },
    )
  const spec: UniformSpec = { kind: 'uniform', ...options, draws }
  return attackOf({ spec, passes: draws }, (view, _model, { key, signal }) => {
    const draw = (k: number) => view.set.sample(view.centres, startStreams(key, k), 'uniform')
    if (draws === 1) return { raw: draw(0), gradientSteps: 0, queries: 0 }
    const objective = objectiveOf(view)
    let best = noChampion(view.centres)
    for (let k = 0; k < draws; k++) {
      stopIfAsked(signal)
      best = advanced(best, holder => {
        const points = draw(k)
        return better(holder, { points, losses: objective.value(view.outputs(points)) })
      })
    }
    return { raw: best.points, gradientSteps: 0, queries: draws }
  })
}
