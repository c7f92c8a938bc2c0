import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import { ascentDirection } from './direction.js'
import { ascendLoss } from './objective.js'
import { stopIfAsked } from './run.js'

/**
 * The fast gradient method (Goodfellow et al. 2015) on any set: one step of full radius, to the maximiser of the
 * linearised loss over B(x): x + δ sign(g) for linf, x + δ g/‖g‖ for l2. An example without a gradient stays.
 */
export function fgsm(options: { readonly fosc?: boolean | undefined } = {}): Attack {
  return attackOf({ kind: 'fgsm', ...options }, (view, _model, { signal, onProgress }) => {
    stopIfAsked(signal)
    const { direction } = ascentDirection(view, view.centres, ascendLoss(view))
    const raw = view.set.maximiseLinear(view.centres, direction)
    onProgress?.(1, 1)
    return { raw, gradientSteps: 1, queries: 1 }
  })
}
