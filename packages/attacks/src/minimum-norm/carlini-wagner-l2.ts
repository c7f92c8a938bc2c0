import type { Attack } from '../attack.js'
import { adam } from '../search/adam.js'
import { gradientAt, outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { type Example, lead, leadCotangent } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { plus, type Row } from '../search/rows.js'
import { type Closest, nearer, noneYet } from './closest.js'
import { penaltySearch } from './penalty.js'
import { boxVariable } from './tanh-box.js'

export interface CarliniWagnerL2Spec {
  readonly kind: 'carlini-wagner-l2'
  /** Values of c that are tried. */
  readonly searches: number
  /** Adam steps for each of them, at most. */
  readonly steps: number
  /** Adam's step size, in w. */
  readonly stepSize: number
  /** c of the first search. */
  readonly initial: number
  /** κ ≥ 0: the lead in scores that an adversarial point must have. */
  readonly confidence: number
  /** Ends a search whose objective has not fallen by 1 part in 10⁴ over a tenth of the steps. */
  readonly abortEarly: boolean
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `carliniWagnerL2`; `CarliniWagnerL2Spec` says what each means. */
export type CarliniWagnerL2Options = Partial<Omit<CarliniWagnerL2Spec, 'kind'>>

const DEFAULTS = {
  searches: 9,
  steps: 10_000,
  stepSize: 0.01,
  initial: 1e-3,
  confidence: 0,
  abortEarly: true,
} as const

/**
 * The l2 attack of Carlini & Wagner (2017), for l2 balls with the box or without. In the variable w of tanh-box.ts,
 *
 *   minimise   ‖x(w) − x(0)‖² + c · max(lead + κ, 0),   lead = z_y − max_{j ≠ y} z_j  or  max_{j ≠ t} z_j − z_t
 *
 * by Adam from w = 0, and c is searched for: × 10 while the search fails, bisected once it has worked. The closest
 * point with lead ≤ −κ of all is kept. Defaults are the reference code's. As it does, from 10 searches on the last one
 * goes back to the largest c tried that is known to work. Each example stops on its own objective, where the reference stops
 * a batch on its sum.
 *
 * Cost: 1 query, then at most searches · steps gradient steps, 90 000 by default: the strongest and dearest of the
 * minimum-norm attacks; 1000 steps give distances a few percent larger as a rule.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function carliniWagnerL2(options: CarliniWagnerL2Options = {}): Attack {
  const spec: CarliniWagnerL2Spec = { kind: 'carlini-wagner-l2', ...DEFAULTS, ...options }
  const must = requirementsOf('carlini-wagner-l2')
  must.wholeNumber('searches', spec.searches)
  must.wholeNumber('steps', spec.steps)
  must.positive('stepSize', spec.stepSize)
  must.positive('initial', spec.initial)
  must.that(spec.confidence >= 0, `confidence must be at least 0, got ${spec.confidence}`)
  return attackBySearch(
    { spec, aim: 'minimum-norm', passes: 1 + spec.searches * spec.steps },
    { access: 'gradients', sets: BALLS.l2, predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: CarliniWagnerL2Spec, example: Example): Search<Float32Array> {
  const { outputs, adversarial } = yield* outputsAt(example.centre)
  if (adversarial[0] && reached(spec, lead(example, outputs).value)) return example.centre
  let best = noneYet(example.centre)
  let penalty = penaltySearch(spec.initial)
  let working = Number.POSITIVE_INFINITY
  for (let k = 0; k < spec.searches; k++) {
    const goBack = spec.searches >= 10 && k === spec.searches - 1 && Number.isFinite(working)
    const c = goBack ? working : penalty.c
    const found = yield* minimise(spec, example, c, best)
    if (found.worked) working = Math.min(working, c)
    best = found.best
    penalty = penalty.after(found.worked)
  }
  return best.point
}

const reached = (spec: CarliniWagnerL2Spec, value: number) =>
  spec.confidence === 0 || value <= -spec.confidence

/** One search at a fixed c. */
function* minimise(
  spec: CarliniWagnerL2Spec,
  example: Example,
  c: number,
  holder: Closest,
): Search<{ best: Closest; worked: boolean }> {
  const { centre, norm } = example
  const variable = boxVariable(example)
  const origin = variable.at(new Float64Array(centre.length))
  const check = Math.max(1, Math.floor(spec.steps / 10))
  const step = adam(centre.length, spec.stepSize)
  let best = holder
  let worked = false
  let w: Float64Array = new Float64Array(centre.length)
  let before = Number.POSITIVE_INFINITY
  for (let k = 0; k < spec.steps; k++) {
    const x = variable.at(w)
    const { outputs, adversarial, rows } = yield* gradientAt(x, f => {
      const now = lead(example, f)
      return leadCotangent(example, now, now.value + spec.confidence > 0 ? 1 : 0)
    })
    const { value } = lead(example, outputs)
    if (adversarial[0] && reached(spec, value)) {
      worked = true
      best = nearer(best, x, norm.distance(x, centre))
    }
    const { squared, slope } = distanceAnd(x, origin, c, rows)
    const objective = squared + c * Math.max(value + spec.confidence, 0)
    if (spec.abortEarly && k % check === 0) {
      if (objective > 0.9999 * before) break
      before = objective
    }
    w = plus(w, 1, step(variable.pullback(slope)))
  }
  return { best, worked }
}

/** ‖x − x_0‖² and the derivative by x of that plus c times a function whose gradient is g. */
function distanceAnd(x: Row, origin: Row, c: number, g: Row): { squared: number; slope: Row } {
  const slope = new Float64Array(x.length)
  let squared = 0
  for (let j = 0; j < slope.length; j++) {
    const offset = x[j]! - origin[j]!
    squared += offset * offset
    slope[j] = 2 * offset + c * g[j]!
  }
  return { squared, slope }
}
