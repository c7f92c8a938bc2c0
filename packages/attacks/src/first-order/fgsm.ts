import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import { type AttackLossName, objectiveOf } from '../losses/attack-loss.js'
import { ascentDirection } from './direction.js'
import { stopIfAsked } from './run.js'

export interface FgsmSpec {
  readonly kind: 'fgsm'
  /** What is ascended; left out, the loss of the model. */
  readonly loss?: AttackLossName | undefined
  readonly fosc?: boolean | undefined
}

/**
 * The fast gradient method (Goodfellow et al. 2015) on any set: one step of full radius, to the maximiser of the
 * linearised loss over B(x):
 *
 *   linf   x + δ sign(g)
 *   l2     x + δ g/‖g‖₂
 *   l1     x + δ sign(g_i) e_i,  i = argmax |g_i|
 *
 * and exact, too, where a box or the sphere binds. An example without a gradient stays. One gradient pass.
 */
export function fgsm(options: Omit<FgsmSpec, 'kind'> = {}): Attack {
  const spec: FgsmSpec = { kind: 'fgsm', ...options }
  return attackOf({ spec, passes: 1 }, (view, _model, { signal, onProgress }) => {
    stopIfAsked(signal)
    const { direction } = ascentDirection(view, view.centres, objectiveOf(view, spec.loss))
    const raw = view.set.maximiseLinear(view.centres, direction)
    onProgress?.(1, 1)
    return { raw, gradientSteps: 1, queries: 1 }
  })
}
