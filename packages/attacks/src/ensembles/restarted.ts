import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import { requireCounts } from '../first-order/hyperparameters.js'
import type { AttackSpec } from '../from-spec.js'
import { cascade } from './cascade.js'

export interface RestartedSpec {
  readonly kind: 'restarted'
  readonly attack: AttackSpec
  readonly restarts: number
  readonly fosc?: boolean | undefined
}

/**
 * Any attack several times over, each time with randomness of its own: the first success, else the largest loss. Run 0
 * is the attack itself; run k draws by the purpose with `.restart-k` added.
 *
 * @throws SaddleError CONFIG unless `restarts` is a positive whole number.
 */
export function restarted(
  attack: Attack,
  restarts: number,
  options: { readonly fosc?: boolean | undefined } = {},
): Attack {
  requireCounts('restarted', { restarts })
  const spec: RestartedSpec = { kind: 'restarted', attack: attack.spec, restarts, ...options }
  return attackOf({ spec, passes: restarts * attack.passes }, (view, model, own) => {
    const { purpose } = own.key
    const members = Array.from({ length: restarts }, (_, k) => ({
      attack,
      key: { ...own.key, purpose: k === 0 ? purpose : `${purpose}.restart-${k}` },
    }))
    const { from: _, ...found } = cascade(members, view, model, own)
    return found
  })
}
