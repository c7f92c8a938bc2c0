import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import type { AttackLossName } from '../losses/attack-loss.js'
import { climb } from './ascent.js'
import { requireCounts, requirePositive } from './hyperparameters.js'
import { projectedAscent } from './pgd.js'

export interface RandomFgsmSpec {
  readonly kind: 'r-fgsm'
  /** In units of the radius. */
  readonly stepSize: number
  readonly restarts: number
  readonly loss?: AttackLossName | undefined
  readonly fosc?: boolean | undefined
}

const DEFAULTS = { stepSize: 1.25, restarts: 1 } as const

/**
 * FGSM from a random start (R+FGSM of Tramèr et al. 2018, in the form of Wong et al. 2020, who train with it):
 *
 *   x ← P_{B(x_0)}( x_r + 1.25 δ u(∇ℓ(x_r)) ),   x_r uniform in B(x_0)
 *
 * Steps of more than 1.25 δ bring catastrophic overfitting when one trains with it. One gradient pass a restart.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range.
 */
export function randomFgsm(options: Partial<Omit<RandomFgsmSpec, 'kind'>> = {}): Attack {
  const spec: RandomFgsmSpec = { kind: 'r-fgsm', ...DEFAULTS, ...options }
  const { restarts, stepSize } = spec
  requireCounts('r-fgsm', { restarts })
  requirePositive('r-fgsm', { stepSize })
  const ascent = projectedAscent({
    ...spec,
    steps: 1,
    start: 'uniform',
    objective: 'loss',
    keepBest: false,
  })
  return attackOf({ spec, passes: restarts }, (view, model, attack) =>
    climb(ascent, view, model, attack),
  )
}
