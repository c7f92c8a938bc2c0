import { SaddleError } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attack, Attackable, AttackKey, AttackOptions } from '../attack.js'
import { attackOf, type Found } from '../finish.js'
import type { AttackLossName, Objective } from '../losses/attack-loss.js'
import { advanced, tidied } from '../tidied.js'
import { following, type View } from '../view.js'
import { better, type Champion, noChampion } from './champion.js'
import { ascentDirection } from './direction.js'
import { objectivesOf } from './objective.js'
import { startStreams, stopIfAsked } from './run.js'

export interface PgdSpec {
  readonly kind: 'pgd'
  readonly steps: number
  /** In units of the radius: η = stepSize · δ. */
  readonly stepSize: number
  readonly restarts: number
  /** Where a search starts: at x, or at a random point; `clean-first` takes x first and random points on restarts. */
  readonly start: 'clean' | 'uniform' | 'border' | 'clean-first'
  /** `loss` ascends ℓ; `two-sided` ascends +f and −f and keeps the larger loss (scalar outputs). */
  readonly objective: 'loss' | 'two-sided'
  /** Keep the iterate with the largest loss (true), or the last one. */
  readonly keepBest: boolean
  /** What is ascended and compared; left out, the loss of the model. */
  readonly loss?: AttackLossName | undefined
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
  checkHyperparameters(spec)
  const passes = spec.steps * spec.restarts * (spec.objective === 'two-sided' ? 2 : 1)
  return attackOf({ spec, passes }, (view, model, attack) =>
    explore(spec, following(view, model), model, attack),
  )
}

function explore(
  spec: PgdSpec,
  view: View,
  model: Attackable,
  { key, signal, onProgress }: AttackOptions,
): Found {
  const objectives = objectivesOf(spec.objective, spec.loss, model, view)
  const searches = spec.restarts * objectives.length
  const judged = spec.keepBest || searches > 1
  const total = searches * spec.steps
  let done = 0
  const beforeStep = () => stopIfAsked(signal)
  const afterStep = () => onProgress?.(++done, total)
  let best = noChampion(view.centres)
  for (let restart = 0; restart < spec.restarts; restart++) {
    for (const objective of objectives) {
      best = advanced(best, holder => {
        const start = tidied(() => startOf(spec, view, key, restart))
        const end = search(spec, view, objective, start, { beforeStep, afterStep })
        return better(holder, judged ? judge(view, objective, end) : unopposed(end))
      })
    }
  }
  return { raw: best.points, gradientSteps: total, queries: total + (judged ? searches : 0) }
}

/** One search: the point it is at, and the best of the iterates that it left behind. */
interface Search {
  readonly at: tf.Tensor2D
  readonly best: Champion
}

function startOf(spec: PgdSpec, view: View, key: AttackKey, restart: number): Search {
  const { set, centres } = view
  const best = noChampion(centres)
  const clean = spec.start === 'clean' || (spec.start === 'clean-first' && restart === 0)
  if (clean) return { at: tf.clone(centres), best }
  const kind = spec.start === 'border' ? 'border' : 'uniform'
  const drawn = set.sample(centres, startStreams(key, restart), kind)
  return { at: set.project(centres, drawn), best }
}

function search(
  spec: PgdSpec,
  view: View,
  objective: Objective,
  start: Search,
  { beforeStep, afterStep }: { beforeStep: () => void; afterStep: () => void },
): Search {
  let state = start
  for (let k = 0; k < spec.steps; k++) {
    beforeStep()
    state = advanced(state, from => step(spec, view, objective, from))
    afterStep()
  }
  return state
}

function step(spec: PgdSpec, view: View, objective: Objective, { at, best }: Search): Search {
  const { set, centres } = view
  const { outputs, direction } = ascentDirection(view, at, objective)
  return {
    at: set.advance(centres, at, direction, spec.stepSize * set.radius),
    best: spec.keepBest
      ? better(best, { points: at, losses: objective.value(outputs) })
      : noChampion(centres),
  }
}

/** The last iterate against the best before it, at the price of a forward pass. */
function judge(view: View, objective: Objective, { at, best }: Search): Champion {
  return better(best, { points: at, losses: objective.value(view.outputs(at)) })
}

/** The last iterate where nothing competes with it: it wins without being evaluated. */
function unopposed({ at, best }: Search): Champion {
  return { points: at, losses: tf.zerosLike(best.losses) }
}

function checkHyperparameters(spec: PgdSpec): void {
  for (const name of ['steps', 'restarts'] as const)
    requireThat(
      Number.isSafeInteger(spec[name]) && spec[name] >= 1,
      `${name} must be a positive whole number, got ${spec[name]}`,
    )
  requireThat(
    Number.isFinite(spec.stepSize) && spec.stepSize > 0,
    `stepSize must be a positive number, in units of the radius, got ${spec.stepSize}`,
  )
  requireThat(
    spec.start !== 'clean' || spec.restarts === 1,
    `start "clean" makes all ${spec.restarts} restarts equal; take "clean-first" or "uniform"`,
  )
}

function requireThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new SaddleError('CONFIG', `Attack "pgd": ${otherwise}.`)
}
