import * as tf from '@tensorflow/tfjs-core'
import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import { type AttackLossName, objectiveOf } from '../losses/attack-loss.js'
import { type Ascent, climb, type State } from './ascent.js'
import { better, noChampion } from './champion.js'
import { ascentDirection } from './direction.js'
import { requireCounts } from './hyperparameters.js'

export interface FrankWolfeSpec {
  readonly kind: 'frank-wolfe'
  readonly steps: number
  readonly until?: 'end' | 'success' | undefined
  readonly loss?: AttackLossName | undefined
  readonly fosc?: boolean | undefined
}

const DEFAULTS = { steps: 20 } as const

/**
 * Frank–Wolfe (Frank & Wolfe 1956; as an attack Chen et al. 2020): no projection, but steps towards the maximiser of
 * the linearised loss over the whole set, from x itself,
 *
 *   v_k = argmax over B(x_0) of ⟨∇ℓ(x_k), v⟩,   x_{k+1} = x_k + γ_k (v_k − x_k),   γ_k = 2/(k + 2)
 *
 * so that x_1 is FGSM's point. Convex combinations stay in a convex set; on the sphere they are projected back. There
 * is no step size to choose, and ⟨v_k − x_k, ∇ℓ(x_k)⟩ is FOSC. The iterate of largest loss is kept; one gradient pass
 * a step and a forward pass at the end.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range.
 */
export function frankWolfe(options: Partial<Omit<FrankWolfeSpec, 'kind'>> = {}): Attack {
  const spec: FrankWolfeSpec = { kind: 'frank-wolfe', ...DEFAULTS, ...options }
  const { steps, until = 'end' } = spec
  requireCounts('frank-wolfe', { steps })
  const ascent: Ascent<State> = {
    steps,
    restarts: 1,
    until,
    judged: true,
    sides: () => [view => objectiveOf(view, spec.loss)],
    start: ({ centres }) => ({ at: tf.clone(centres), best: noChampion(centres) }),
    step(view, objective, { at, best }, k) {
      const { set, centres } = view
      const { outputs, direction } = ascentDirection(view, at, objective)
      const towards = set.maximiseLinear(centres, direction)
      const gamma = 2 / (k + 2)
      const next: tf.Tensor2D = tf.add(at, tf.mul(gamma, tf.sub(towards, at)))
      const still = tf.equal(tf.max(tf.abs(direction), 1, true), 0)
      return {
        outputs,
        state: {
          at: set.project(centres, tf.where(still, at, next)),
          best: better(best, { points: at, losses: objective.value(outputs) }),
        },
      }
    },
  }
  return attackOf({ spec, passes: steps }, (view, model, attack) =>
    climb(ascent, view, model, attack),
  )
}
