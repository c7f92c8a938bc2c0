import type { Stream } from '@saddle/core'
import type { Attack } from '../attack.js'
import { type Closest, nearer, noneYet } from '../minimum-norm/closest.js'
import { penaltySearch } from '../minimum-norm/penalty.js'
import { outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { type Example, lead } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { clamp, type Row, rowOf } from '../search/rows.js'

export interface ZooSpec {
  readonly kind: 'zoo'
  /** Values of c that are tried. */
  readonly searches: number
  /** Steps for each of them, at most. */
  readonly steps: number
  /** Coordinates a step, two queries each. */
  readonly coordinates: number
  /** h of the symmetric differences, in the units of the inputs. */
  readonly difference: number
  /** Adam's step size, in the units of the inputs. */
  readonly stepSize: number
  /** c of the first search. */
  readonly initial: number
  /** Ends a search whose objective has not fallen by 1 part in 10⁴ over a tenth of the steps. */
  readonly abortEarly: boolean
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `zoo`; `ZooSpec` says what each means. */
export type ZooOptions = Partial<Omit<ZooSpec, 'kind'>>

const DEFAULTS = {
  searches: 1,
  steps: 10_000,
  coordinates: 128,
  difference: 1e-3,
  stepSize: 0.01,
  initial: 0.25,
  abortEarly: true,
} as const

/**
 * ZOO-ADAM, zeroth order optimisation (Chen et al. 2017), for l2 balls with the box or without: the objective of
 * Carlini & Wagner from scores alone,
 *
 *   F(x) = ‖x − x_0‖² + c · max(lead, 0),   lead = z_y − max_{j ≠ y} z_j  or  max_{j ≠ t} z_j − z_t
 *   ĝ_j = (F(x + h e_j) − F(x − h e_j))/(2h) for random coordinates j, each with its own Adam; x clipped to the box
 *
 * Differences of log-probabilities, which the paper takes, are differences of scores. Defaults are those of the
 * authors' code: h = 0.001, where the paper says 0.0001; one c. Its search over enlarged images and its importance
 * sampling, for images larger than MNIST's, are not offered. The closest adversarial point is kept.
 *
 * Cost: 1 query for x_0, then 2 · coordinates + 1 a step, at most searches · steps of them: 2.6 million by default.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function zoo(options: ZooOptions = {}): Attack {
  const spec: ZooSpec = { kind: 'zoo', ...DEFAULTS, ...options }
  const must = requirementsOf('zoo')
  for (const name of ['searches', 'steps', 'coordinates'] as const)
    must.wholeNumber(name, spec[name])
  for (const name of ['difference', 'stepSize', 'initial'] as const) must.positive(name, spec[name])
  return attackBySearch(
    {
      spec,
      aim: 'minimum-norm',
      passes: 1 + spec.searches * spec.steps * (2 * spec.coordinates + 1),
    },
    { access: 'scores', sets: BALLS.l2, predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: ZooSpec, example: Example): Search<Float32Array> {
  if ((yield* outputsAt(example.centre)).adversarial[0]) return example.centre
  let best = noneYet(example.centre)
  let penalty = penaltySearch(spec.initial)
  for (let k = 0; k < spec.searches; k++) {
    const found = yield* minimise(spec, example, penalty.c, example.stream(k), best)
    best = found.best
    penalty = penalty.after(found.worked)
  }
  return best.point
}

function* minimise(
  spec: ZooSpec,
  example: Example,
  c: number,
  stream: Stream,
  holder: Closest,
): Search<{ best: Closest; worked: boolean }> {
  const { centre, norm, lo, hi } = example
  const pick = coordinatePicker(stream, centre.length, spec.coordinates)
  const step = coordinateAdam(centre.length, spec.stepSize)
  const check = Math.max(1, Math.floor(spec.steps / 10))
  const x = centre.slice()
  let best = holder
  let worked = false
  let before = Number.POSITIVE_INFINITY
  for (let k = 0; k < spec.steps; k++) {
    const coordinates = pick()
    const points = stencil(x, coordinates, spec.difference)
    const { outputs, adversarial } = yield* outputsAt(points)
    const value = (row: number) => {
      const leads = lead(example, rowOf(outputs, row, example.outputs)).value
      return squareDistance(rowOf(points, row, x.length), centre) + c * Math.max(leads, 0)
    }
    if (adversarial[0]) {
      worked = true
      best = nearer(best, x.slice(), norm.distance(x, centre))
    }
    const objective = value(0)
    if (spec.abortEarly && k % check === 0) {
      if (objective > 0.9999 * before) break
      before = objective
    }
    coordinates.forEach((j, at) => {
      const [up, down] = [2 * at + 1, 2 * at + 2]
      const h2 = points[up * x.length + j]! - points[down * x.length + j]!
      x[j] = clamp(x[j]! + step(j, (value(up) - value(down)) / h2), lo, hi)
    })
  }
  return { best, worked }
}

/** x, and then x + h e_j and x − h e_j for every coordinate j: [(1 + 2 k) · d]. */
export function stencil(x: Float32Array, coordinates: readonly number[], h: number): Float32Array {
  const d = x.length
  const points = new Float32Array((1 + 2 * coordinates.length) * d)
  for (let at = 0; at < points.length; at += d) points.set(x, at)
  coordinates.forEach((j, at) => {
    points[(2 * at + 1) * d + j]! += h
    points[(2 * at + 2) * d + j]! -= h
  })
  return points
}

/** Draws `count` different coordinates of d, all equally likely. */
function coordinatePicker(stream: Stream, d: number, count: number): () => number[] {
  const order = Array.from({ length: d }, (_, j) => j)
  const k = Math.min(count, d)
  return () => {
    for (let i = 0; i < k; i++) {
      const other = i + Math.floor(stream.uniform() * (d - i))
      const held = order[i]!
      order[i] = order[other]!
      order[other] = held
    }
    return order.slice(0, k)
  }
}

/** Adam of every coordinate on its own: the step for a derivative along j. */
function coordinateAdam(d: number, rate: number): (j: number, slope: number) => number {
  const m = new Float64Array(d)
  const v = new Float64Array(d)
  const t = new Int32Array(d)
  return (j, slope) => {
    t[j]!++
    m[j] = 0.9 * m[j]! + 0.1 * slope
    v[j] = 0.999 * v[j]! + 0.001 * slope * slope
    const corrected = (rate * Math.sqrt(1 - 0.999 ** t[j]!)) / (1 - 0.9 ** t[j]!)
    return (-corrected * m[j]!) / (Math.sqrt(v[j]!) + 1e-8)
  }
}

function squareDistance(a: Row, b: Row): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += (a[j]! - b[j]!) ** 2
  return sum
}
