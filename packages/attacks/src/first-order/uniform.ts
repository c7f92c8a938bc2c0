import { SaddleError } from '@saddle/core'
import type { Attack } from '../attack.js'
import { finish } from '../finish.js'
import { advanced, tidied } from '../tidied.js'
import { viewOf } from '../view.js'
import { better, noChampion } from './champion.js'
import { startStreams, stopIfAsked } from './run.js'

export interface UniformOptions {
  /** Points tried, ≥ 1. Default 1. */
  readonly draws?: number
  readonly fosc?: boolean | undefined
}

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
  return {
    spec: { kind: 'uniform', ...options, draws },
    run: (model, x, y, attack) =>
      tidied(() => {
        const view = viewOf(model, x, y, attack)
        const draw = (k: number) => view.set.sample(x, startStreams(attack.key, k), 'uniform')
        if (draws === 1)
          return finish(view, { raw: draw(0), gradientSteps: 0, queries: 0 }, options.fosc)
        let best = noChampion(x)
        for (let k = 0; k < draws; k++) {
          stopIfAsked(attack.signal)
          best = advanced(best, holder => {
            const points = draw(k)
            return better(holder, { points, losses: view.losses(view.outputs(points)) })
          })
        }
        return finish(view, { raw: best.points, gradientSteps: 0, queries: draws }, options.fosc)
      }),
  }
}
