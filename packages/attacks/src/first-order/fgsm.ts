import type { Attack } from '../attack.js'
import { finish } from '../finish.js'
import { tidied } from '../tidied.js'
import { viewOf } from '../view.js'
import { ascentDirection } from './direction.js'
import { ascendLoss } from './objective.js'
import { stopIfAsked } from './run.js'

/**
 * The fast gradient method (Goodfellow et al. 2015) on any set: one step of full radius, to the maximiser of the
 * linearised loss over B(x): x + δ sign(g) for linf, x + δ g/‖g‖ for l2. An example without a gradient stays.
 */
export function fgsm(options: { readonly fosc?: boolean | undefined } = {}): Attack {
  return {
    spec: { kind: 'fgsm', ...options },
    run: (model, x, y, attack) =>
      tidied(() => {
        const view = viewOf(model, x, y, attack)
        stopIfAsked(attack.signal)
        const { direction } = ascentDirection(view, x, ascendLoss(view))
        const raw = view.set.maximiseLinear(x, direction)
        attack.onProgress?.(1, 1)
        return finish(view, { raw, gradientSteps: 1, queries: 1 }, options.fosc)
      }),
  }
}
