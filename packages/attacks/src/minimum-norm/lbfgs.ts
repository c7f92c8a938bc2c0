import type { Attack } from '../attack.js'
import { gradientAt, outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { cotangentOf, crossEntropy, type Example, largestBut, scoresOf } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { difference, dot, plus, scaled } from '../search/rows.js'
import { nearer, noneYet } from './closest.js'
import { penaltySearch } from './penalty.js'
import { minimiseInBox } from './projected-lbfgs.js'

export interface LbfgsSpec {
  readonly kind: 'lbfgs'
  /** Values of c that are tried. */
  readonly searches: number
  /** Iterations of L-BFGS for each of them, at most. */
  readonly steps: number
  /** c of the first search. */
  readonly initial: number
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `lbfgs`; `LbfgsSpec` says what each means. */
export type LbfgsAttackOptions = Partial<Omit<LbfgsSpec, 'kind'>>

const DEFAULTS = { searches: 9, steps: 100, initial: 0.01 } as const

/**
 * The first attack on neural networks (Szegedy et al. 2014, Section 4.1), for l2 balls with the box or without:
 *
 *   minimise   ‖x − x_0‖² + c · ℓ(x, t)   over the box,   ℓ the cross-entropy of the target t
 *
 * by L-BFGS from x_0 (projected-lbfgs.ts), and c is searched for: × 10 while the minimiser is not adversarial, bisected
 * once it is. Without a target, t is the likeliest wrong class at x_0. The closest adversarial point of all that were
 * seen is kept. Defaults are Advertorch's: 9 searches of 100 iterations from c = 0.01.
 *
 * Cost: 1 query, then at most searches · (1 + 2 steps) gradient steps, far fewer as a rule.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function lbfgs(options: LbfgsAttackOptions = {}): Attack {
  const spec: LbfgsSpec = { kind: 'lbfgs', ...DEFAULTS, ...options }
  const must = requirementsOf('lbfgs')
  must.wholeNumber('searches', spec.searches)
  must.wholeNumber('steps', spec.steps)
  must.positive('initial', spec.initial)
  return attackBySearch(
    { spec, aim: 'minimum-norm', passes: 1 + spec.searches * (1 + 2 * spec.steps) },
    { access: 'gradients', sets: BALLS.l2, predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: LbfgsSpec, example: Example): Search<Float32Array> {
  const { centre, norm, label, lo, hi } = example
  const first = yield* outputsAt(centre)
  if (first.adversarial[0]) return centre
  const target = example.target ?? largestBut(scoresOf(example, first.outputs), label)
  let best = noneYet(centre)
  let penalty = penaltySearch(spec.initial)
  for (let k = 0; k < spec.searches; k++) {
    const { c } = penalty
    let lastWorked = new Float32Array(0)
    const evaluate = function* (
      x: Float32Array,
    ): Search<{ value: number; gradient: Float64Array }> {
      const { outputs, adversarial, rows } = yield* gradientAt(x, f =>
        cotangentOf(example, crossEntropy(scoresOf(example, f), target).slope),
      )
      if (adversarial[0]) {
        lastWorked = x.slice()
        best = nearer(best, x, norm.distance(x, centre))
      }
      const offset = difference(x, centre)
      const loss = crossEntropy(scoresOf(example, outputs), target).value
      const gradient = plus(scaled(2, offset), c, rows)
      return { value: dot(offset, offset) + c * loss, gradient }
    }
    const x = yield* minimiseInBox(evaluate, centre, { lo, hi, steps: spec.steps })
    penalty = penalty.after(lastWorked.length > 0 && lastWorked.every((v, j) => v === x[j]))
  }
  return best.point
}
