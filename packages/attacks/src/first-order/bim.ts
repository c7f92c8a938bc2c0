import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import type { AttackLossName } from '../losses/attack-loss.js'
import { climb } from './ascent.js'
import { requireCounts, requirePositive } from './hyperparameters.js'
import { projectedAscent } from './pgd.js'

export interface BimSpec {
  readonly kind: 'bim'
  readonly steps: number
  /** In units of the radius. */
  readonly stepSize: number
  readonly until?: 'end' | 'success' | undefined
  readonly loss?: AttackLossName | undefined
  readonly fosc?: boolean | undefined
}

const DEFAULTS = { steps: 10, stepSize: 0.2 } as const

/**
 * The basic iterative method, or I-FGSM (Kurakin et al. 2017): steps of PGD from x itself, the last iterate taken.
 * Defaults of Foolbox: 10 steps of 0.2 δ. One gradient pass a step.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range.
 */
export function bim(options: Partial<Omit<BimSpec, 'kind'>> = {}): Attack {
  const spec: BimSpec = { kind: 'bim', ...DEFAULTS, ...options }
  const { steps, stepSize } = spec
  requireCounts('bim', { steps })
  requirePositive('bim', { stepSize })
  const ascent = projectedAscent({
    ...spec,
    start: 'clean',
    restarts: 1,
    objective: 'loss',
    keepBest: false,
  })
  return attackOf({ spec, passes: steps }, (view, model, attack) =>
    climb(ascent, view, model, attack),
  )
}
