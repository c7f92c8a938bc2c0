import type { Attack } from '../attack.js'
import { gradientAt, outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { cotangentOf, crossEntropy, type Example, inBox, scoresOf } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { difference, mapped, norm2, plus, type Row, scaled } from '../search/rows.js'
import { nearer, noneYet } from './closest.js'

export interface DdnSpec {
  readonly kind: 'ddn'
  readonly steps: number
  /** Norm of the first perturbations, in the units of the inputs. */
  readonly initial: number
  /** γ: the share by which the norm shrinks after success and grows after failure. */
  readonly gamma: number
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `ddn`; `DdnSpec` says what each means. */
export type DdnOptions = Partial<Omit<DdnSpec, 'kind'>>

const DEFAULTS = { steps: 100, initial: 1, gamma: 0.05 } as const

/**
 * DDN, decoupling direction and norm (Rony et al. 2019), for l2 balls, with the box or without: g the gradient of the
 * cross-entropy (of the label, or −that of the target), α falling from 1 to 0.01 by a cosine,
 *
 *   δ ← δ + α g/‖g‖,   ε ← ε (1 − γ) if x_0 + δ was adversarial else ε (1 + γ),   δ ← ε δ/‖δ‖, clipped to the box
 *
 * and the shortest adversarial δ is kept. Defaults: 100 steps, ε = 1 at first, γ = 0.05, and ε at most the distance to
 * the far corner of the box. Points are not rounded to 256 levels, which the paper does for images.
 *
 * Cost: a query and a gradient step a step, and a query for the last point. An example that is adversarial to begin
 * with costs 1 query.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function ddn(options: DdnOptions = {}): Attack {
  const spec: DdnSpec = { kind: 'ddn', ...DEFAULTS, ...options }
  const must = requirementsOf('ddn')
  must.wholeNumber('steps', spec.steps)
  must.positive('initial', spec.initial)
  must.that(spec.gamma > 0 && spec.gamma < 1, `gamma must be in (0, 1), got ${spec.gamma}`)
  return attackBySearch(
    { spec, aim: 'minimum-norm', passes: 2 + spec.steps },
    { access: 'gradients', sets: BALLS.l2, predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: DdnSpec, example: Example): Search<Float32Array> {
  const { centre, norm } = example
  if ((yield* outputsAt(centre)).adversarial[0]) return centre
  const farthest = farCorner(example)
  let best = noneYet(centre)
  let epsilon = Math.min(spec.initial, farthest)
  let x = centre
  for (let k = 0; k < spec.steps; k++) {
    const { adversarial, rows } = yield* gradientAt(x, f => ascent(example, f))
    if (adversarial[0]) best = nearer(best, x, norm.distance(x, centre))
    const alpha = 0.01 + 0.99 * 0.5 * (1 + Math.cos((Math.PI * k) / spec.steps))
    const length = norm2(rows)
    const delta = plus(difference(x, centre), length > 0 ? alpha / length : 0, rows)
    epsilon = Math.min(epsilon * (adversarial[0] ? 1 - spec.gamma : 1 + spec.gamma), farthest)
    const size = norm2(delta)
    x = inBox(example, plus(centre, 1, scaled(size > 0 ? epsilon / size : 0, delta)))
  }
  const last = yield* outputsAt(x)
  if (last.adversarial[0]) best = nearer(best, x, norm.distance(x, centre))
  return best.point
}

/** ∂/∂f of what is ascended. */
function ascent(example: Example, f: Row): Float64Array {
  const z = scoresOf(example, f)
  const { label, target } = example
  const { slope } = crossEntropy(z, target ?? label)
  return cotangentOf(example, target === null ? slope : scaled(-1, slope))
}

/** Distance from x_0 to the corner of the box that is farthest from it. */
function farCorner({ centre, lo, hi }: Example): number {
  return norm2(mapped(centre, v => Math.max(v - lo, hi - v)))
}
