import { putRows, takeRows } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attackable, AttackOptions } from '../attack.js'
import type { Found } from '../finish.js'
import { optionsAt, placesOfZero } from '../part.js'
import { advanced, eachTensor, tidied } from '../tidied.js'
import { type View, viewOf, viewThrough } from '../view.js'
import type { Ascent, Side, State, Stepped } from './ascent.js'
import { better, type Champion, noChampion } from './champion.js'
import { stopIfAsked } from './run.js'

/** The batch is closed up when no more than this share of it still stands: copying rows is not free. */
export const CLOSE_UP = 0.9

/** What is known of all n examples. */
interface Tally {
  /** 1 where an example is adversarial: its point is found, and it is not searched again. */
  readonly broken: Uint8Array
  readonly gradientSteps: Int32Array
  readonly queries: Int32Array
}

/** The tensors of a search: inputs, labels and state of the examples in it, and the best points of all n. */
interface Search<S extends State> {
  readonly x: tf.Tensor2D
  readonly y: tf.Tensor1D
  readonly state: S
  readonly best: Champion
}

/**
 * The searches of an ascent in which an example is done as soon as it is adversarial: it keeps that iterate, and its
 * counts end there. What is found for an example does not depend on when the others leave.
 */
export function exploreStanding<S extends State>(
  ascent: Ascent<S>,
  view: View,
  model: Attackable,
  options: AttackOptions,
): Found {
  const n = view.centres.shape[0]
  const gradientSteps = new Int32Array(n)
  const queries = new Int32Array(n).fill(ascent.beforehand ?? 0)
  const tally: Tally = { broken: new Uint8Array(n), gradientSteps, queries }
  const sides = ascent.sides(view, model)
  const searches = ascent.restarts * sides.length
  let best = noChampion(view.centres)
  for (let search = 0; search < searches; search++) {
    const restart = Math.floor(search / sides.length)
    const side = sides[search % sides.length]!
    const onStep = (k: number) =>
      options.onProgress?.(search * ascent.steps + k + 1, searches * ascent.steps)
    if (placesOfZero(tally.broken).length > 0)
      best = advanced(best, holder =>
        searchStanding(ascent, { view, model, options, tally, holder, restart, side, onStep }),
      )
  }
  return { raw: best.points, gradientSteps, queries }
}

interface Setting {
  readonly view: View
  readonly model: Attackable
  readonly options: AttackOptions
  readonly tally: Tally
  readonly holder: Champion
  readonly restart: number
  readonly side: Side
  readonly onStep: (k: number) => void
}

/** One search of the examples that stand: the best points of all n after it. */
function searchStanding<S extends State>(ascent: Ascent<S>, setting: Setting): Champion {
  const { view, model, options, tally, holder, restart, side, onStep } = setting
  let rows = placesOfZero(tally.broken)
  let seen = viewer(model, options, rows)
  let search: Search<S> = tidied(() => {
    const x = takeRows(view.centres, rows)
    const y = takeRows(view.labels, rows)
    const state = ascent.start(seen.at(x, y), seen.options.key, restart)
    return {
      x,
      y,
      state,
      best: { points: tf.clone(holder.points), losses: tf.clone(holder.losses) },
    }
  })
  for (let k = 0; k < ascent.steps; k++) {
    stopIfAsked(options.signal)
    const standing = rows.flatMap((row, place) => (tally.broken[row] === 0 ? [place] : []))
    if (standing.length === 0) return search.best
    if (standing.length <= CLOSE_UP * rows.length) {
      rows = standing.map(place => rows[place]!)
      seen = viewer(model, options, rows)
      search = advanced(search, from => closedUp(from, standing))
    }
    search = advanced(search, ({ x, y, state, best }) => {
      const here = seen.at(x, y)
      const next = ascent.step(here, side(here, rows), state, k)
      const won = count(tally, rows, successOf(here, next), 1)
      return { x, y, state: next.state, best: withBroken(best, rows, won, state.at) }
    })
    onStep(k)
  }
  const { x, y, state, best } = search
  const here = seen.at(x, y)
  const outputs = here.outputs(state.at)
  const won = count(tally, rows, successOf(here, { outputs }), 0)
  const last = { points: state.at, losses: side(here, rows).value(outputs) }
  const rival = ascent.judged ? better(state.best, last) : last
  const end = better(rowsOf(best, rows), rival)
  const held = {
    points: putRows(best.points, rows, end.points),
    losses: putRows(best.losses, rows, end.losses),
  }
  return withBroken(held, rows, won, state.at)
}

/** Views of the examples at `rows` of the batch, with a memory of their own where the model follows. */
export function viewer(model: Attackable, whole: AttackOptions, rows: readonly number[]) {
  const options = optionsAt(whole, rows)
  const pass = model.follow?.()
  const at = (x: tf.Tensor2D, y: tf.Tensor1D): View =>
    viewThrough(viewOf(model, x, y, options), pass)
  return { options, at }
}

/** 1 for the examples that a pass shows to be adversarial. */
function successOf(
  { criterion, labels }: View,
  { outputs, inside = true }: Pick<Stepped<State>, 'outputs' | 'inside'>,
): ArrayLike<number> {
  if (inside) return criterion.isAdversarial(outputs, labels).dataSync()
  return new Uint8Array(outputs.shape[0])
}

/** Counts a pass of each standing example, and the places in `rows` of those that it shows to be adversarial. */
function count(
  { broken, gradientSteps, queries }: Tally,
  rows: readonly number[],
  won: ArrayLike<number>,
  steps: 0 | 1,
): number[] {
  return rows.flatMap((row, place) => {
    if (broken[row] === 1) return []
    queries[row]!++
    gradientSteps[row]! += steps
    if (won[place] !== 1) return []
    broken[row] = 1
    return [place]
  })
}

/** The points found adversarial take their rows among the best of all, with a loss that no other beats. */
function withBroken(
  best: Champion,
  rows: readonly number[],
  won: readonly number[],
  at: tf.Tensor2D,
): Champion {
  if (won.length === 0) return best
  const broken = won.map(place => rows[place]!)
  return {
    points: putRows(best.points, broken, takeRows(at, won)),
    losses: putRows(best.losses, broken, tf.fill([won.length], Number.POSITIVE_INFINITY)),
  }
}

function closedUp<S extends State>(search: Search<S>, standing: readonly number[]): Search<S> {
  const { best, ...group } = search
  return { ...rowsOf(group, standing), best } as Search<S>
}

/** All tensors of a record, their rows chosen. */
function rowsOf<T extends object>(record: T, rows: readonly number[]): T {
  return eachTensor(record, tensor => takeRows(tensor, rows))
}
