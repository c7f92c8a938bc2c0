import type { Stream } from '@saddle/core'
import type { Attack } from '../attack.js'
import { decisionsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { type Example, inBox } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { difference, dot, joined, norm2, plus, scaled } from '../search/rows.js'
import { adversarialStart } from './adversarial-start.js'
import { gaussian } from './directions.js'

export interface BoundarySpec {
  readonly kind: 'boundary'
  readonly steps: number
  /** Length of the step on the sphere around x_0, and of the step towards x_0, at first: shares of the distance. */
  readonly sphericalStep: number
  readonly sourceStep: number
  /** Ends when the step towards x_0 is shorter than this share. */
  readonly convergence: number
  /** Factor by which both steps adapt. */
  readonly adaptation: number
  /** Every so many steps the point on the sphere is asked for, too, and counts for the adaptation. */
  readonly statistics: number
  /** Random points tried for a start, and points on the line to it. */
  readonly draws: number
  readonly blends: number
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `boundary`; `BoundarySpec` says what each means. */
export type BoundaryOptions = Partial<Omit<BoundarySpec, 'kind'>>

const DEFAULTS = {
  steps: 25_000,
  sphericalStep: 0.01,
  sourceStep: 0.01,
  convergence: 1e-7,
  adaptation: 1.5,
  statistics: 10,
  draws: 1000,
  blends: 50,
} as const

/**
 * The Boundary attack (Brendel, Rauber & Bethge 2018), for l2 balls with the box or without, by decisions only, for any
 * criterion. From an adversarial x at distance r of x_0 (adversarial-start.ts), with s and t the two steps:
 *
 *   sphere   s r in a random direction orthogonal to x − x_0, brought back to the sphere of radius r
 *   source   t r towards x_0
 *
 * The point is kept if it is adversarial and closer. Both steps grow by 1.5 when more than half of the points on the
 * sphere are adversarial and shrink when fewer than a fifth are (of the last 100 asked for); t also where more than a
 * quarter, fewer than a tenth of the points are (of 30). Defaults are Foolbox's; unlike there every example has
 * directions of its own.
 *
 * Cost: 1 query for x_0, a start of at most 1 + `draws` + `blends`, then 1 a step and 1 more every `statistics` steps.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets.
 */
export function boundary(options: BoundaryOptions = {}): Attack {
  const spec: BoundarySpec = { kind: 'boundary', ...DEFAULTS, ...options }
  const must = requirementsOf('boundary')
  for (const name of ['steps', 'statistics', 'draws', 'blends'] as const)
    must.wholeNumber(name, spec[name])
  for (const name of ['sphericalStep', 'sourceStep', 'convergence'] as const)
    must.positive(name, spec[name])
  must.that(spec.adaptation > 1, `adaptation must be above 1, got ${spec.adaptation}`)
  const asked = spec.steps + Math.floor(spec.steps / spec.statistics)
  return attackBySearch(
    { spec, aim: 'minimum-norm', passes: 2 + spec.draws + spec.blends + asked },
    { access: 'decisions', sets: BALLS.l2, predictions: false },
    example => search(spec, example),
  )
}

function* search(spec: BoundarySpec, example: Example): Search<Float32Array> {
  const { centre, norm } = example
  if ((yield* decisionsAt(centre))[0]) return centre
  const stream = example.stream(0)
  const { start } = yield* adversarialStart(example, stream, spec)
  if (start === null) return centre
  let x = start
  let distance = norm.distance(x, centre)
  let spherical = spec.sphericalStep
  let source = spec.sourceStep
  const onSphere = successRate(100)
  const onStep = successRate(30)
  for (let k = 1; k <= spec.steps && source >= spec.convergence; k++) {
    const asksBoth = k % spec.statistics === 0
    const { point, sphere } = propose(example, x, distance, { spherical, source }, stream)
    const adversarial = yield* decisionsAt(asksBoth ? joined([point, sphere]) : point)
    const there = norm.distance(point, centre)
    if (adversarial[0] && there < distance) {
      x = point
      distance = there
    }
    if (!asksBoth) continue
    const turn = onSphere.judge(adversarial[1] === 1, 0.2, 0.5)
    spherical *= spec.adaptation ** turn
    source *= spec.adaptation ** turn
    source *= spec.adaptation ** onStep.judge(adversarial[0] === 1, 0.1, 0.25)
  }
  return x
}

/** The next point, and the one on the sphere that it is made from. */
function propose(
  example: Example,
  x: Float32Array,
  distance: number,
  steps: { readonly spherical: number; readonly source: number },
  stream: Stream,
): { point: Float32Array; sphere: Float32Array } {
  const { centre } = example
  const outward = difference(x, centre)
  const u = gaussian(stream, x.length)
  const eta = plus(u, -dot(u, outward) / distance ** 2, outward)
  const length = norm2(eta)
  const aside = plus(outward, length > 0 ? (steps.spherical * distance) / length : 0, eta)
  const back = 1 / Math.sqrt(1 + steps.spherical ** 2)
  const sphere = inBox(example, plus(centre, 1, scaled(back, aside)))
  // The step towards x_0 also takes back what clipping or rounding left beyond the sphere.
  const fromCentre = difference(sphere, centre)
  const radius = norm2(fromCentre)
  const inward = Math.max(steps.source * distance + radius - distance, 0)
  const shrunk = radius > 0 ? 1 - inward / radius : 1
  return { point: inBox(example, plus(centre, shrunk, fromCentre)), sphere }
}

/** The rate of the last `size` outcomes; empties itself whenever it has led to a change. */
function successRate(size: number): {
  /** Adds an outcome: 1 if the rate of a full record is above `high`, −1 if below `low`, else 0. */
  judge(success: boolean, low: number, high: number): -1 | 0 | 1
} {
  let outcomes: boolean[] = []
  return {
    judge(success, low, high) {
      outcomes = [...outcomes, success].slice(-size)
      if (outcomes.length < size) return 0
      const rate = outcomes.filter(Boolean).length / size
      if (rate <= high && rate >= low) return 0
      outcomes = []
      return rate > high ? 1 : -1
    },
  }
}
