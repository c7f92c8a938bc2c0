import type { Attack } from '../attack.js'
import { advancedFrom, outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, WITHOUT_CHART } from '../search/attack-by-search.js'
import { crossEntropy, type Example, scoresOf } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { plus, rowOf, scaled } from '../search/rows.js'
import { antitheticGradient, antitheticPoints, gaussian } from './directions.js'
import { plateau } from './plateau.js'

export interface NesSpec {
  readonly kind: 'nes'
  /** Queries an example, at most. */
  readonly queries: number
  /** n: points a gradient estimate, even. */
  readonly samples: number
  /** σ: how far they lie from x, times a standard normal, in the units of the inputs. */
  readonly sigma: number
  /** The first step, and the smallest it is halved to, in units of the radius. */
  readonly stepSize: number
  readonly leastStep: number
  /** Steps without progress after which it is halved. */
  readonly patience: number
  readonly momentum: number
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `nes`; `NesSpec` says what each means. */
export type NesOptions = Partial<Omit<NesSpec, 'kind'>>

const DEFAULTS = {
  queries: 10_000,
  samples: 50,
  sigma: 1e-3,
  stepSize: 0.2,
  leastStep: 0.001,
  patience: 5,
  momentum: 0.9,
} as const

/**
 * The query-limited attack of Ilyas, Engstrom, Athalye & Lin (2018): projected ascent by gradients that natural
 * evolution strategies estimate from scores,
 *
 *   ĝ = 1/(nσ) Σ_j L(x + σ u_j) u_j,  u_j ~ N(0, I) in pairs ±u,   g ← μ g + (1 − μ) ĝ,   x ← P_{B(x_0)}(x + η u(g))
 *
 * with L the cross-entropy of the label, or −that of the target, and u(g) the set's steepest step, sign(g) for linf.
 * η is halved when L has fallen over the last `patience` estimates. An example is done when x is adversarial. Defaults
 * are those of the authors' code, whose steps of 0.01 to 5e-5 at ε = 0.05 are 0.2 to 0.001 radii. For all sets but
 * those in the chart of the lift, which the points of an estimate may leave.
 *
 * Cost: 1 query for x_0, then n for an estimate and 1 for the point it leads to, as long as `queries` last.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function nes(options: NesOptions = {}): Attack {
  const spec: NesSpec = { kind: 'nes', ...DEFAULTS, ...options }
  const must = requirementsOf('nes')
  must.wholeNumber('queries', spec.queries)
  must.wholeNumber('samples', spec.samples, 2)
  must.that(spec.samples % 2 === 0, `samples must be even, got ${spec.samples}`)
  must.positive('sigma', spec.sigma)
  must.positive('stepSize', spec.stepSize)
  must.positive('leastStep', spec.leastStep)
  must.wholeNumber('patience', spec.patience, 2)
  must.that(
    spec.momentum >= 0 && spec.momentum < 1,
    `momentum must be in [0, 1), got ${spec.momentum}`,
  )
  return attackBySearch(
    { spec, aim: 'fixed-radius', passes: spec.queries },
    { access: 'scores', sets: WITHOUT_CHART, predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: NesSpec, example: Example): Search<Float32Array> {
  const { centre, radius } = example
  const stream = example.stream(0)
  const first = yield* outputsAt(centre)
  if (first.adversarial[0]) return centre
  let best = { point: centre, gain: gainOf(example, first.outputs) }
  let x = centre
  let g: Float64Array = new Float64Array(centre.length)
  let step = plateau(spec.stepSize * radius, spec.leastStep * radius, spec.patience)
  for (let used = 1; used + spec.samples + 1 <= spec.queries; used += spec.samples + 1) {
    const directions = Array.from({ length: spec.samples / 2 }, () => gaussian(stream, x.length))
    const { outputs } = yield* outputsAt(antitheticPoints(x, directions, spec.sigma))
    const gains = Array.from({ length: spec.samples }, (_, k) =>
      gainOf(example, rowOf(outputs, k, example.outputs)),
    )
    const estimate = antitheticGradient(directions, gains, spec.sigma)
    g = plus(scaled(spec.momentum, g), 1 - spec.momentum, estimate)
    step = step.after(gains.reduce((a, b) => a + b, 0) / gains.length)
    x = yield* advancedFrom(x, new Float32Array(g), step.size)
    const there = yield* outputsAt(x)
    if (there.adversarial[0]) return x
    const gain = gainOf(example, there.outputs)
    if (gain > best.gain) best = { point: x, gain }
  }
  return best.point
}

/** L: what is ascended. */
function gainOf(example: Example, outputs: Float32Array): number {
  const z = scoresOf(example, outputs)
  const { label, target } = example
  return target === null ? crossEntropy(z, label).value : -crossEntropy(z, target).value
}
