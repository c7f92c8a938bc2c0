import type { Stream } from '@saddle/core'
import type { Attack } from '../attack.js'
import { nearer, noneYet } from '../minimum-norm/closest.js'
import { decisionsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { type Example, inBox } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { blend, clamp, mapped, plus } from '../search/rows.js'
import { adversarialStart } from './adversarial-start.js'
import { gaussian, uniformCube, unit } from './directions.js'

export interface HopSkipJumpSpec {
  readonly kind: 'hop-skip-jump'
  readonly steps: number
  /** Queries of the first gradient estimate, and of the largest: those of step k = 0, 1, … are initial · √(k + 1). */
  readonly initialQueries: number
  readonly mostQueries: number
  /** γ: how finely the boundary is bracketed. */
  readonly gamma: number
  /** Random points tried for a start, and points on the line to it. */
  readonly draws: number
  readonly blends: number
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `hopSkipJump`; `HopSkipJumpSpec` says what each means. */
export type HopSkipJumpOptions = Partial<Omit<HopSkipJumpSpec, 'kind'>>

const DEFAULTS = {
  steps: 64,
  initialQueries: 100,
  mostQueries: 10_000,
  gamma: 1,
  draws: 1000,
  blends: 50,
} as const

/**
 * HopSkipJump (Chen, Jordan & Wainwright 2020), for l2 and linf balls with the box or without, by decisions only, for
 * any criterion. From a point x on the boundary at distance r of x_0, with φ = ±1 for adversarial or not:
 *
 *   gradient   1/B Σ_b (φ(x + δ u_b) − φ̄) u_b, unit; its sign for linf; u_b random unit vectors, B = 100 √(k + 1)
 *   step       ξ = r/√(k + 1), halved until x + ξ v is adversarial
 *   boundary   bisection between x_0 and that point, to θ = γ/d^{3/2} of the way (linf: γ/d² of the distance)
 *
 * with δ = √d θ r (linf: d θ r), 0.1 at first. The walk may lead away for a step; the closest point is kept. Defaults are
 * those of the paper and of Foolbox.
 *
 * Cost: 1 query for x_0, a start of at most 1 + `draws` + `blends`, then for step k min(100 √(k + 1), 10 000) queries and
 * those of the halvings and the bisection: about 36 000 by default.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets.
 */
export function hopSkipJump(options: HopSkipJumpOptions = {}): Attack {
  const spec: HopSkipJumpSpec = { kind: 'hop-skip-jump', ...DEFAULTS, ...options }
  const must = requirementsOf('hop-skip-jump')
  for (const name of ['steps', 'initialQueries', 'mostQueries', 'draws', 'blends'] as const)
    must.wholeNumber(name, spec[name])
  must.positive('gamma', spec.gamma)
  let passes = 2 + spec.draws + spec.blends + FINEST
  for (let k = 0; k < spec.steps; k++) passes += samplesAt(spec, k) + MOST_HALVINGS + FINEST
  return attackBySearch(
    { spec, aim: 'minimum-norm', passes },
    { access: 'decisions', sets: [...BALLS.l2, ...BALLS.linf], predictions: false },
    example => search(spec, example),
  )
}

/**
 * Bisections, at most: closer to the boundary than 6e-5 of the way, rounding that differs from batch to batch decides
 * whether a point is adversarial. It takes the place of the paper's θ from 650 coordinates on, for linf from 128 on.
 */
const FINEST = 14

/** Halvings of a step, at most: what is left of it rounds to no step at all. */
const MOST_HALVINGS = 40

/** Points of an estimate that are asked for at once. */
const AT_A_TIME = 512

export function samplesAt(spec: HopSkipJumpSpec, k: number): number {
  return Math.floor(Math.min(spec.initialQueries * Math.sqrt(k + 1), spec.mostQueries))
}

function* search(spec: HopSkipJumpSpec, example: Example): Search<Float32Array> {
  const { centre, norm } = example
  if ((yield* decisionsAt(centre))[0]) return centre
  const stream = example.stream(0)
  const { start } = yield* adversarialStart(example, stream, spec)
  if (start === null) return centre
  const d = centre.length
  const isLinf = norm.name === 'linf'
  let x = yield* toBoundary(spec, example, start)
  let best = nearer(noneYet(centre), x, norm.distance(x, centre))
  for (let k = 0; k < spec.steps; k++) {
    const distance = norm.distance(x, centre)
    const delta = k === 0 ? 0.1 : (spec.gamma / d) * distance
    const gradient = yield* estimate(example, x, samplesAt(spec, k), delta, stream)
    const v = isLinf ? gradient.map(Math.sign) : gradient
    const further = yield* adversarialAlong(example, x, v, distance / Math.sqrt(k + 1))
    if (further === null) continue
    x = yield* toBoundary(spec, example, further)
    best = nearer(best, x, norm.distance(x, centre))
  }
  return best.point
}

/** The unit direction in which decisions turn adversarial, by Monte Carlo with the mean as a baseline. */
function* estimate(
  example: Example,
  x: Float32Array,
  samples: number,
  delta: number,
  stream: Stream,
): Search<Float64Array> {
  const d = x.length
  const weighted = new Float64Array(d)
  const plain = new Float64Array(d)
  let sum = 0
  for (let done = 0; done < samples; done += AT_A_TIME) {
    const count = Math.min(AT_A_TIME, samples - done)
    const points = new Float32Array(count * d)
    for (let i = 0; i < count; i++) {
      const drawn = example.norm.name === 'linf' ? uniformCube(stream, d) : gaussian(stream, d)
      points.set(inBox(example, plus(x, delta, unit(drawn))), i * d)
    }
    const adversarial = yield* decisionsAt(points)
    for (let i = 0; i < count; i++) {
      const phi = adversarial[i] === 1 ? 1 : -1
      sum += phi
      for (let j = 0; j < d; j++) {
        const u = (points[i * d + j]! - x[j]!) / delta
        weighted[j]! += phi * u
        plain[j]! += u
      }
    }
  }
  const mean = sum / samples
  // Where all decisions agree the baseline would leave nothing.
  return unit(plus(weighted, Math.abs(mean) === 1 ? 0 : -mean, plain))
}

/** x + ξ v for the first of ξ = length, length/2, … that is adversarial. */
function* adversarialAlong(
  example: Example,
  x: Float32Array,
  v: Float64Array,
  length: number,
): Search<Float32Array | null> {
  for (let half = 0; half < MOST_HALVINGS; half++) {
    const point = inBox(example, plus(x, length / 2 ** half, v))
    if ((yield* decisionsAt(point))[0]) return point
  }
  return null
}

/** The adversarial end of a bisection between x_0 and an adversarial point. */
function* toBoundary(
  spec: HopSkipJumpSpec,
  example: Example,
  far: Float32Array,
): Search<Float32Array> {
  const { centre, norm } = example
  const d = far.length
  const isLinf = norm.name === 'linf'
  const reach = isLinf ? norm.distance(far, centre) : 1
  const width = (reach * spec.gamma) / (isLinf ? d * d : d * Math.sqrt(d))
  let lo = 0
  let hi = reach
  let found = far
  for (let k = 0; k < FINEST && hi - lo > width; k++) {
    const middle = (lo + hi) / 2
    const point = inBox(
      example,
      isLinf ? clippedTo(centre, far, middle) : blend(centre, far, middle),
    )
    if ((yield* decisionsAt(point))[0]) {
      hi = middle
      found = point
    } else lo = middle
  }
  return found
}

/** x_0 + clip(x − x_0, −r, r). */
function clippedTo(centre: Float32Array, x: Float32Array, r: number): Float64Array {
  return mapped(x, (v, j) => centre[j]! + clamp(v - centre[j]!, -r, r))
}
