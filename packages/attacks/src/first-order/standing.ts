import { putRows, takeRows } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attackable, AttackOptions } from '../attack.js'
import type { Found } from '../finish.js'
import { optionsAt, placesOfZero } from '../part.js'
import { advanced, eachTensor, tidied } from '../tidied.js'
import { type View, viewOf, viewThrough } from '../view.js'
import { jointly, range } from './abreast.js'
import type { Ascent, Side, State, Stepped } from './ascent.js'
import { better, type Champion, noChampion } from './champion.js'
import { stopIfAsked } from './run.js'

/** The batch is closed up when no more than this share of it still stands: copying rows is not free. */
export const CLOSE_UP = 0.9

/** Sides searched at a time: a pass of few rows takes longer a row, one of many more memory. */
const SIDES_ABREAST = 4

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
 *
 * The first side is tried alone: most examples that fall at all fall to it. The others go abreast, SIDES_ABREAST at a time,
 * a row each of the same batch; of two that succeed at the same step the earlier one counts.
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
  const total = ascent.restarts * sides.length * ascent.steps
  let best = noChampion(view.centres)
  for (let restart = 0; restart < ascent.restarts; restart++)
    for (let first = 0, after = 1; first < sides.length; first = after, after += SIDES_ABREAST) {
      const group = sides.slice(first, after)
      const before = (restart * sides.length + first) * ascent.steps
      const onStep = (k: number) => options.onProgress?.(before + group.length * (k + 1), total)
      if (placesOfZero(tally.broken).length === 0) continue
      best = advanced(best, holder =>
        searchStanding(ascent, {
          view,
          model,
          options,
          tally,
          holder,
          restart,
          sides: group,
          onStep,
        }),
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
  readonly sides: readonly Side[]
  readonly onStep: (k: number) => void
}

/** A search a side of the examples that stand: the best points of all n after it. */
function searchStanding<S extends State>(ascent: Ascent<S>, setting: Setting): Champion {
  const { view, model, options, tally, holder, restart, sides, onStep } = setting
  // Side after side the same examples.
  let rows = sides.flatMap(() => placesOfZero(tally.broken))
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
      const next = ascent.step(here, jointly(sides, here, rows), state, k)
      const won = count(tally, rows, successOf(here, next), 1)
      return { x, y, state: next.state, best: withBroken(best, rows, won, state.at) }
    })
    onStep(k)
  }
  const { x, y, state, best } = search
  const here = seen.at(x, y)
  const outputs = here.outputs(state.at)
  const won = count(tally, rows, successOf(here, { outputs }), 0)
  const last = { points: state.at, losses: jointly(sides, here, rows).value(outputs) }
  const rival = ascent.judged ? better(state.best, last) : last
  const each = rows.length / sides.length
  const searched = rows.slice(0, each)
  const end = sides.reduce(
    (held, _, side) => better(held, rowsOf(rival, range(side * each, each))),
    rowsOf(best, searched),
  )
  const held = {
    points: putRows(best.points, searched, end.points),
    losses: putRows(best.losses, searched, end.losses),
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

/** Counts a pass of each row of a standing example, and the places in `rows` of those it shows to be adversarial first. */
function count(
  { broken, gradientSteps, queries }: Tally,
  rows: readonly number[],
  won: ArrayLike<number>,
  steps: 0 | 1,
): number[] {
  const before = broken.slice()
  return rows.flatMap((row, place) => {
    if (before[row] === 1) return []
    queries[row]!++
    gradientSteps[row]! += steps
    if (won[place] !== 1 || broken[row] === 1) return []
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
