import type { Attack } from '../attack.js'
import { adam } from '../search/adam.js'
import { gradientAt, outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { type Example, lead, leadCotangent } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { difference, plus, type Row } from '../search/rows.js'
import { nearer, noneYet } from './closest.js'
import { boxVariable } from './tanh-box.js'

export interface CarliniWagnerLinfSpec {
  readonly kind: 'carlini-wagner-linf'
  /** Adam steps for a pair (τ, c), at most. */
  readonly steps: number
  readonly stepSize: number
  /** c is doubled from `initial` while the search fails, and given up above `largest`. */
  readonly initial: number
  readonly largest: number
  /** τ shrinks by this factor after every success, from 1 (or the distance found) down to `leastTau`. */
  readonly shrink: number
  readonly leastTau: number
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `carliniWagnerLinf`; `CarliniWagnerLinfSpec` says what each means. */
export type CarliniWagnerLinfOptions = Partial<Omit<CarliniWagnerLinfSpec, 'kind'>>

const DEFAULTS = {
  steps: 1000,
  stepSize: 5e-3,
  initial: 1e-5,
  largest: 20,
  shrink: 0.9,
  leastTau: 1 / 256,
} as const

/**
 * The linf attack of Carlini & Wagner (2017), for linf balls with the box or without: for a threshold τ,
 *
 *   minimise   c · max(lead, 0) + Σ_j max(|x_j − x_{0,j}| − τ, 0),   lead as in their l2 attack
 *
 * by Adam in the variable w of tanh-box.ts, from the point found last. If x is adversarial and within τ up to 1e-4 c,
 * τ ← shrink · min(τ, ‖x − x_0‖∞); otherwise c doubles; above `largest` the search ends. Defaults are the reference
 * code's. The closest adversarial point of all that were seen is kept.
 *
 * Cost: 1 query, then gradient steps, up to `passes`: 1000 for each of the values of τ and c, some 70 of them.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function carliniWagnerLinf(options: CarliniWagnerLinfOptions = {}): Attack {
  const spec: CarliniWagnerLinfSpec = { kind: 'carlini-wagner-linf', ...DEFAULTS, ...options }
  const must = requirementsOf('carlini-wagner-linf')
  must.wholeNumber('steps', spec.steps)
  for (const name of ['stepSize', 'initial', 'largest', 'leastTau'] as const)
    must.positive(name, spec[name])
  must.that(spec.shrink > 0 && spec.shrink < 1, `shrink must be in (0, 1), got ${spec.shrink}`)
  const pairs =
    Math.ceil(Math.log(spec.leastTau) / Math.log(spec.shrink)) +
    Math.ceil(Math.log2(spec.largest / spec.initial))
  return attackBySearch(
    { spec, aim: 'minimum-norm', passes: 1 + spec.steps * Math.max(1, pairs) },
    { access: 'gradients', sets: BALLS.linf, predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: CarliniWagnerLinfSpec, example: Example): Search<Float32Array> {
  const { centre, norm } = example
  if ((yield* outputsAt(centre)).adversarial[0]) return centre
  const variable = boxVariable(example)
  let best = noneYet(centre)
  let from: Float64Array = new Float64Array(centre.length)
  let tau = 1
  let c = spec.initial
  while (tau > spec.leastTau && c < spec.largest) {
    const step = adam(centre.length, spec.stepSize)
    let w = from
    let worked = false
    for (let k = 0; k < spec.steps && !worked; k++) {
      const x = variable.at(w)
      const { outputs, adversarial, rows } = yield* gradientAt(x, f => {
        const now = lead(example, f)
        return leadCotangent(example, now, now.value > 0 ? 1 : 0)
      })
      if (adversarial[0]) best = nearer(best, x, norm.distance(x, centre))
      const excess = excessOver(tau, difference(x, centre))
      const objective = c * Math.max(lead(example, outputs).value, 0) + excess.sum
      worked = adversarial[0] === 1 && objective < 1e-4 * c
      if (!worked) w = plus(w, 1, step(variable.pullback(plus(excess.slope, c, rows))))
    }
    if (worked) {
      from = w
      tau = spec.shrink * Math.min(tau, norm.distance(variable.at(w), centre))
    } else c *= 2
  }
  return best.point
}

/** Σ_j max(|v_j| − τ, 0) and its derivative. */
function excessOver(tau: number, v: Row): { sum: number; slope: Float64Array } {
  let sum = 0
  const slope = new Float64Array(v.length)
  for (let j = 0; j < v.length; j++) {
    const over = Math.abs(v[j]!) - tau
    if (over <= 0) continue
    sum += over
    slope[j] = Math.sign(v[j]!)
  }
  return { sum, slope }
}
