import * as tf from '@tensorflow/tfjs-core'
import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import { type AttackLossName, objectiveOf } from '../losses/attack-loss.js'
import { type Ascent, climb, type State } from './ascent.js'
import { noChampion } from './champion.js'
import { ascentDirection } from './direction.js'
import { requireCounts, requirePositive, requireThat } from './hyperparameters.js'

export interface MimSpec {
  readonly kind: 'mim'
  readonly steps: number
  /** In units of the radius. */
  readonly stepSize: number
  /** μ ≥ 0: share of the former direction that is kept. */
  readonly momentum: number
  readonly until?: 'end' | 'success' | undefined
  readonly loss?: AttackLossName | undefined
  readonly fosc?: boolean | undefined
}

interface MimState extends State {
  /** g̃: [n, d]. */
  readonly velocity: tf.Tensor2D
}

const DEFAULTS = { steps: 10, stepSize: 0.1, momentum: 1 } as const

/**
 * The momentum iterative method, or MI-FGSM (Dong et al. 2018): from x itself,
 *
 *   g̃ ← μ g̃ + g/‖g‖₁,   x ← P_{B(x_0)}( x + η u(g̃) )
 *
 * and the last iterate. Defaults of the paper: 10 steps of δ/10, μ = 1. One gradient pass a step.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range.
 */
export function mim(options: Partial<Omit<MimSpec, 'kind'>> = {}): Attack {
  const spec: MimSpec = { kind: 'mim', ...DEFAULTS, ...options }
  const { steps, stepSize, momentum, until = 'end' } = spec
  requireCounts('mim', { steps })
  requirePositive('mim', { stepSize })
  requireThat(
    'mim',
    Number.isFinite(momentum) && momentum >= 0,
    `momentum must be a number ≥ 0, got ${momentum}`,
  )
  const ascent: Ascent<MimState> = {
    steps,
    restarts: 1,
    until,
    judged: false,
    sides: () => [view => objectiveOf(view, spec.loss)],
    start: ({ centres }) => ({
      at: tf.clone(centres),
      velocity: tf.zerosLike(centres),
      best: noChampion(centres),
    }),
    step(view, objective, { at, velocity }) {
      const { set, centres } = view
      const { outputs, direction } = ascentDirection(view, at, objective)
      const next: tf.Tensor2D = tf.add(tf.mul(momentum, velocity), absoluteUnit(direction))
      return {
        outputs,
        state: {
          at: set.advance(centres, at, next, stepSize * set.radius),
          velocity: next,
          best: noChampion(centres),
        },
      }
    },
  }
  return attackOf({ spec, passes: steps }, (view, model, attack) =>
    climb(ascent, view, model, attack),
  )
}

/** g/‖g‖₁ by rows, and 0 for 0; divided by the largest entry first, which may be as small as 1e-38. */
function absoluteUnit(g: tf.Tensor2D): tf.Tensor2D {
  const largest = tf.max(tf.abs(g), 1, true)
  const scaled = tf.div(g, orOne(largest))
  return tf.div(scaled, orOne(tf.sum(tf.abs(scaled), 1, true)))
}

function orOne(x: tf.Tensor): tf.Tensor {
  return tf.where(tf.equal(x, 0), tf.onesLike(x), x)
}
