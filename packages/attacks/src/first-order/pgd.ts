import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import type { AttackLossName } from '../losses/attack-loss.js'
import { type Ascent, climb, type State } from './ascent.js'
import { better, noChampion } from './champion.js'
import { ascentDirection } from './direction.js'
import { requireCounts, requirePositive, requireThat } from './hyperparameters.js'
import { sidesOf } from './objective.js'
import { type Start, startPoints } from './starts.js'

export interface PgdSpec {
  readonly kind: 'pgd'
  readonly steps: number
  /** In units of the radius: η = stepSize · δ. */
  readonly stepSize: number
  readonly restarts: number
  readonly start: Start
  /** `loss` ascends ℓ; `two-sided` ascends +f and −f and keeps the larger loss (scalar outputs). */
  readonly objective: 'loss' | 'two-sided'
  /** Keep the iterate with the largest loss (true), or the last one. */
  readonly keepBest: boolean
  /** `success`: an example is done at its first adversarial iterate. Left out, `end`: it takes all steps. */
  readonly until?: 'end' | 'success' | undefined
  /**
   * What is ascended and compared; left out, the loss of the model. `divergence`: KL(p(x) ‖ p(x')) of the predictions at
   * x and at the point, whose gradient is 0 at x.
   */
  readonly loss?: AttackLossName | 'divergence' | undefined
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `pgd`; `PgdSpec` says what each means. */
export type PgdOptions = Partial<Omit<PgdSpec, 'kind'>>

const DEFAULTS = {
  steps: 10,
  stepSize: 0.25,
  restarts: 1,
  start: 'uniform',
  objective: 'loss',
  keepBest: true,
} as const

/**
 * Projected gradient descent on the perturbation, the attack of Madry et al. 2018 on any set:
 *
 *   x ← P_{B(x_0)}( x + η u(∇ objective(x)) ),   η = stepSize · δ,   u the set's unit step of steepest ascent
 *
 * `steps` times from every start. Over iterates (with `keepBest`), sides and restarts the point with the largest
 * loss is kept, example by example. Defaults: 10 steps of 0.25 δ, which travel 2.5 radii, from one uniform start.
 *
 * Cost: restarts · sides · steps gradient passes, by the model's `follow` where it has one, a forward pass for the
 * last iterate of each unless there is nothing to compare it with, and with `run` the fresh pass at the point. The
 * pass of a gradient also gives the loss there.
 *
 *     const attack = pgd({ steps: 20, restarts: 3 })
 *     const { point, success } = attack.run(bindNetwork(network, parameters), x, y, { set, loss, key })
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range. `run` throws CONFIG for a two-sided search of
 * several outputs or a loss of another kind, SHAPE for batches that don't fit, STOPPED when its signal is given.
 */
export function pgd(options: PgdOptions = {}): Attack {
  const spec: PgdSpec = { kind: 'pgd', ...DEFAULTS, ...options }
  const { steps, restarts, stepSize, start, objective } = spec
  requireCounts('pgd', { steps, restarts })
  requirePositive('pgd', { stepSize })
  requireThat(
    'pgd',
    start !== 'clean' || restarts === 1,
    `start "clean" makes all ${restarts} restarts equal; take "clean-first" or "uniform"`,
  )
  requireThat(
    'pgd',
    spec.loss !== 'divergence' || (!start.startsWith('clean') && objective === 'loss'),
    'the loss "divergence" is flat at x and has one side; take start "uniform" and objective "loss"',
  )
  const sides = objective === 'two-sided' ? 2 : 1
  const ascent = projectedAscent(spec, restarts * sides)
  return attackOf({ spec, passes: steps * restarts * sides }, (view, model, attack) =>
    climb(ascent, view, model, attack),
  )
}

/** The steps of PGD, for it and for the attacks that are PGD at other settings; `searches` of them an example. */
export function projectedAscent(
  spec: Omit<PgdSpec, 'kind'>,
  searches = spec.restarts,
): Ascent<State> {
  const { steps, restarts, until = 'end', keepBest } = spec
  return {
    steps,
    restarts,
    until,
    judged: keepBest || searches > 1,
    ...(spec.loss === 'divergence' ? { beforehand: 1 } : {}),
    sides: (_view, model) => sidesOf(spec.objective, spec.loss, model),
    start: (view, key, restart) => ({
      at: startPoints(spec.start, view, key, restart),
      best: noChampion(view.centres),
    }),
    step(view, objective, { at, best }) {
      const { set, centres } = view
      const { outputs, direction } = ascentDirection(view, at, objective)
      return {
        outputs,
        state: {
          at: set.advance(centres, at, direction, spec.stepSize * set.radius),
          best: keepBest
            ? better(best, { points: at, losses: objective.value(outputs) })
            : noChampion(centres),
        },
      }
    },
  }
}
