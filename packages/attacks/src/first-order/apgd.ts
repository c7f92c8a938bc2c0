import { combination, pickRows } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attack, Attackable, AttackOptions } from '../attack.js'
import { attackOf, type Found } from '../finish.js'
import { type AttackLossName, objectiveOf } from '../losses/attack-loss.js'
import type { View } from '../view.js'
import { sparseSteps } from './apgd-l1.js'
import { lookBacks } from './apgd-schedule.js'
import { type Ascent, climb, type State } from './ascent.js'
import { better, noChampion } from './champion.js'
import { ascentDirection } from './direction.js'
import { requireCounts, requireThat } from './hyperparameters.js'
import { startPoints } from './starts.js'

export interface ApgdSpec {
  readonly kind: 'apgd'
  /** APGD-CE: `cross-entropy`; APGD-DLR: `dlr`. */
  readonly loss: AttackLossName
  readonly steps: number
  readonly restarts: number
  /** ρ in (0, 1]: the step is halved where the loss rose in no more than this share of the steps since the last look. */
  readonly rho: number
  /** `success`: an example is done at its first adversarial iterate; `end`: the point of largest loss is kept. */
  readonly until: 'end' | 'success'
  readonly fosc?: boolean | undefined
}

export type ApgdOptions = Partial<Omit<ApgdSpec, 'kind'>>

const DEFAULTS = {
  loss: 'cross-entropy',
  steps: 100,
  restarts: 1,
  rho: 0.75,
  until: 'success',
} as const

/** Per example: iterates x_k and x_{k−1}, the gradient at the best point, and what the next look back compares. */
interface ApgdState extends State {
  readonly before: tf.Tensor2D
  readonly bestGradient: tf.Tensor2D
  /** η, [n, 1]. */
  readonly step: tf.Tensor2D
  /** [n]: the loss at x_{k−1}; how often it rose since the last look; the best loss at the last look. */
  readonly lossBefore: tf.Tensor1D
  readonly rises: tf.Tensor1D
  readonly bestAtLook: tf.Tensor1D
  /** [n], 0 or 1: was the step halved at the last look? */
  readonly halved: tf.Tensor1D
}

/** The share of a step that is its own; the rest is the step before. */
const OWN = 0.75

/**
 * Auto-PGD (Croce & Hein 2020): PGD with momentum and a step that shrinks example by example,
 *
 *   z = P( x_k + η u(∇ℓ(x_k)) ),   x_{k+1} = P( x_k + a (z − x_k) + (1 − a) (x_k − x_{k−1}) ),   a = 0.75, first 1
 *
 * from a random point on the border, η = 2 δ. At the look-backs of `lookBacks`, η is halved and the search goes back
 * to the best point where the loss rose in at most 75 % of the steps since the last look, or where neither η nor the
 * best loss has changed since. Settings and schedule are those of the reference code, except that its first look
 * compares the first loss with 0 and ours with the loss at the start, that P is the exact projection, and that an
 * example is done at its first adversarial iterate where the code goes on and returns the last.
 *
 * In l1 the steps are those of `sparseSteps`.
 *
 * Cost: restarts · steps gradient passes and a forward pass a restart; in l1 two gradient passes more.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range.
 */
export function apgd(options: ApgdOptions = {}): Attack {
  const spec: ApgdSpec = { kind: 'apgd', ...DEFAULTS, ...options }
  const { steps, restarts } = spec
  checkApgd(spec)
  const sides = () => [(view: View) => objectiveOf(view, spec.loss)]
  return attackOf({ spec, passes: steps * restarts }, (view, model, attack) =>
    climbByApgd(spec, { sides }, view, model, attack),
  )
}

/** The steps that suit the norm of the set, and what they ascend. */
export function climbByApgd(
  spec: Pick<ApgdSpec, 'steps' | 'restarts' | 'rho' | 'until'>,
  aims: Pick<Ascent<State>, 'sides' | 'beforehand'>,
  view: View,
  model: Attackable,
  options: AttackOptions,
): Found {
  return view.set.spec.kind.endsWith('l1')
    ? climb({ ...sparseSteps(spec), ...aims }, view, model, options)
    : climb({ ...apgdSteps(spec), ...aims }, view, model, options)
}

export function checkApgd({
  kind,
  steps,
  restarts,
  rho,
}: Pick<ApgdSpec, 'steps' | 'restarts' | 'rho'> & { readonly kind: string }): void {
  requireCounts(kind, { steps, restarts })
  requireThat(kind, rho > 0 && rho <= 1, `rho must be in (0, 1], got ${rho}`)
}

/** Everything of the ascent but what it ascends. */
function apgdSteps({
  steps,
  restarts,
  rho,
  until,
}: Pick<ApgdSpec, 'steps' | 'restarts' | 'rho' | 'until'>): Omit<Ascent<ApgdState>, 'sides'> {
  const looks = lookBacks(steps)
  return {
    steps,
    restarts,
    until,
    judged: true,
    start: (view, key, restart) =>
      begin(startPoints('border', view, key, restart), 2 * view.set.radius),
    step(view, objective, state, k) {
      const { outputs, direction } = ascentDirection(view, state.at, objective)
      const seen = observe(state, direction, objective.value(outputs), k)
      const wait = looks.get(k)
      const next =
        wait === undefined ? { state: seen, direction } : lookBack(seen, direction, rho * wait)
      return { outputs, state: move(view, next.state, next.direction, k) }
    },
  }
}

function begin(at: tf.Tensor2D, step: number): ApgdState {
  const n = at.shape[0]
  const zeros = () => tf.zeros([n]) as tf.Tensor1D
  return {
    at,
    before: tf.clone(at),
    best: noChampion(at),
    bestGradient: tf.zerosLike(at),
    step: tf.fill([n, 1], step),
    lossBefore: zeros(),
    rises: zeros(),
    bestAtLook: zeros(),
    halved: tf.ones([n]),
  }
}

/** What the pass at x_k says: a new best point, and whether the loss rose. At k = 0 all counts begin. */
function observe(
  state: ApgdState,
  gradient: tf.Tensor2D,
  losses: tf.Tensor1D,
  k: number,
): ApgdState {
  const { at, best, bestGradient, lossBefore, rises, bestAtLook } = state
  const rose = tf.cast(tf.greater(losses, lossBefore), 'float32')
  const isBetter = tf.expandDims(tf.greater(losses, best.losses), 1)
  return {
    ...state,
    best: better(best, { points: at, losses }),
    bestGradient: pickRows(isBetter, gradient, bestGradient),
    lossBefore: losses,
    rises: k === 0 ? rises : tf.add(rises, rose),
    bestAtLook: k === 0 ? losses : bestAtLook,
  }
}

/** Halves the step and returns to the best point where the loss rose at most `atMost` times, or nothing changed. */
function lookBack(state: ApgdState, gradient: tf.Tensor2D, atMost: number) {
  const { at, best, bestGradient, step, rises, bestAtLook, halved } = state
  const swings = tf.lessEqual(rises, atMost)
  const stalls = tf.logicalAnd(tf.equal(halved, 0), tf.greaterEqual(bestAtLook, best.losses))
  const halves = tf.logicalOr(swings, stalls)
  const rows = tf.expandDims(halves, 1)
  const looked: ApgdState = {
    ...state,
    at: pickRows(rows, best.points, at),
    step: tf.mul(step, tf.sub(1, tf.mul(0.5, tf.cast(rows, 'float32')))),
    rises: tf.zerosLike(rises),
    bestAtLook: best.losses,
    halved: tf.cast(halves, 'float32') as tf.Tensor1D,
  }
  return { state: looked, direction: pickRows(rows, bestGradient, gradient) }
}

/** x_{k+1}, and x_k as the point before. */
function move(
  { set, centres }: View,
  state: ApgdState,
  gradient: tf.Tensor2D,
  k: number,
): ApgdState {
  const { at, before, step } = state
  const z = set.advance(centres, at, gradient, step)
  if (k === 0) return { ...state, at: z, before: at }
  // x_k + a (z − x_k) + (1 − a)(x_k − x_{k−1}), the three points' shares together.
  const blend = combination([2 * (1 - OWN), OWN, OWN - 1], [at, z, before])
  return { ...state, at: set.project(centres, blend), before: at }
}
