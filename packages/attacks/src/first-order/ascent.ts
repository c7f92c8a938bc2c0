import * as tf from '@tensorflow/tfjs-core'
import type { Attackable, AttackKey, AttackOptions } from '../attack.js'
import type { Found } from '../finish.js'
import type { Objective } from '../losses/attack-loss.js'
import { advanced, tidied } from '../tidied.js'
import { following, type View } from '../view.js'
import { better, type Champion, noChampion } from './champion.js'
import { stopIfAsked } from './run.js'
import { exploreStanding } from './standing.js'

/** Where one search of every example is: tensors of a row an example each, which the next step replaces. */
export interface State {
  readonly at: tf.Tensor2D
  /** The best of the iterates that it left behind. */
  readonly best: Champion
}

/** An objective for the examples at `rows` of the batch, or for all (null). */
export type Side = (view: View, rows: readonly number[] | null) => Objective

/** An attack by gradient steps: its starts and its step. How long each example is searched is the same for all. */
export interface Ascent<S extends State> {
  readonly steps: number
  readonly restarts: number
  /**
   * `end`: every example takes all steps, and the best point is kept. `success`: an example leaves the batch at its first
   * adversarial iterate.
   */
  readonly until: 'end' | 'success'
  /** Do last iterates compete? If not, that of the only search is the result, whatever the loss there. */
  readonly judged: boolean
  /** What is ascended in turn from every start, each for any part of the batch. */
  sides(view: View, model: Attackable): readonly Side[]
  /** Passes that `sides` takes. Default 0. */
  readonly beforehand?: number
  start(view: View, key: AttackKey, restart: number): S
  /** Step k = 0, 1, …: one gradient pass at `state.at`. */
  step(view: View, objective: Objective, state: S, k: number): Stepped<S>
}

export interface Stepped<S extends State> {
  readonly state: S
  /** Of the pass. */
  readonly outputs: tf.Tensor2D
  /** False if the pass was outside of B(x), where success does not count. Default true. */
  readonly inside?: boolean
}

/** Runs the searches of an ascent, restart by restart and side by side: an `Explore`. */
export function climb<S extends State>(
  ascent: Ascent<S>,
  view: View,
  model: Attackable,
  options: AttackOptions,
): Found {
  return ascent.until === 'success'
    ? exploreStanding(ascent, view, model, options)
    : exploreToTheEnd(ascent, following(view, model), model, options)
}

function exploreToTheEnd<S extends State>(
  ascent: Ascent<S>,
  view: View,
  model: Attackable,
  { key, signal, onProgress }: AttackOptions,
): Found {
  const { steps, restarts, judged, beforehand = 0 } = ascent
  const sides = ascent.sides(view, model).map(side => side(view, null))
  const searches = restarts * sides.length
  const total = searches * steps
  let done = 0
  let best = noChampion(view.centres)
  for (let restart = 0; restart < restarts; restart++) {
    for (const objective of sides) {
      best = advanced(best, holder => {
        let state = tidied(() => ascent.start(view, key, restart))
        for (let k = 0; k < steps; k++) {
          stopIfAsked(signal)
          state = advanced(state, from => ascent.step(view, objective, from, k).state)
          onProgress?.(++done, total)
        }
        return better(holder, judged ? lastOrBest(view, objective, state) : unopposed(state))
      })
    }
  }
  const queries = beforehand + total + (judged ? searches : 0)
  return { raw: best.points, gradientSteps: total, queries }
}

/** The last iterate against the best before it, at the price of a forward pass. */
function lastOrBest(view: View, objective: Objective, { at, best }: State): Champion {
  return better(best, { points: at, losses: objective.value(view.outputs(at)) })
}

/** The last iterate where nothing competes with it: it wins without being evaluated. */
function unopposed({ at, best }: State): Champion {
  return { points: at, losses: tf.zerosLike(best.losses) }
}
