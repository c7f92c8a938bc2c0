import type { Attack } from '../attack.js'
import { adam } from '../search/adam.js'
import { advancedFrom, outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, WITHOUT_CHART } from '../search/attack-by-search.js'
import { type Example, lead } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { plus, rowOf } from '../search/rows.js'
import { antitheticGradient, antitheticPoints, signVector } from './directions.js'

export interface SpsaSpec {
  readonly kind: 'spsa'
  readonly steps: number
  /** Random sign vectors a gradient estimate, two queries each. */
  readonly directions: number
  /** How far the two points lie from x in every coordinate, in the units of the inputs. */
  readonly delta: number
  /** Adam's step size, in the units of the inputs. */
  readonly stepSize: number
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `spsa`; `SpsaSpec` says what each means. */
export type SpsaOptions = Partial<Omit<SpsaSpec, 'kind'>>

const DEFAULTS = { steps: 100, directions: 64, delta: 0.01, stepSize: 0.01 } as const

/**
 * The SPSA attack (Uesato et al. 2018): projected Adam on the margin, its gradient estimated by simultaneous
 * perturbation (Spall 1992) with random signs v_j,
 *
 *   ĝ = 1/k Σ_j (J(x + δ v_j) − J(x − δ v_j))/(2δ) · v_j,   J = z_y − max_{j ≠ y} z_j or max_{j ≠ t} z_j − z_t
 *   x ← P_{B(x_0)}(x + Adam's step)
 *
 * An example is done when x is adversarial. Defaults: 100 steps of δ = 0.01 and Adam 0.01, as in the paper, with its
 * smallest number of samples, 128 queries an estimate; it finds more with up to 8192. For all sets but those in the
 * chart of the lift, which the points of an estimate may leave.
 *
 * Cost: 1 query for x_0, then 2 · directions + 1 a step.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function spsa(options: SpsaOptions = {}): Attack {
  const spec: SpsaSpec = { kind: 'spsa', ...DEFAULTS, ...options }
  const must = requirementsOf('spsa')
  must.wholeNumber('steps', spec.steps)
  must.wholeNumber('directions', spec.directions)
  must.positive('delta', spec.delta)
  must.positive('stepSize', spec.stepSize)
  return attackBySearch(
    { spec, aim: 'fixed-radius', passes: 1 + spec.steps * (2 * spec.directions + 1) },
    { access: 'scores', sets: WITHOUT_CHART, predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: SpsaSpec, example: Example): Search<Float32Array> {
  const { centre } = example
  const stream = example.stream(0)
  const still = new Float32Array(centre.length)
  const step = adam(centre.length, spec.stepSize)
  const first = yield* outputsAt(centre)
  if (first.adversarial[0]) return centre
  let best = { point: centre, lead: lead(example, first.outputs).value }
  let x = centre
  for (let k = 0; k < spec.steps; k++) {
    const directions = Array.from({ length: spec.directions }, () => signVector(stream, x.length))
    const { outputs } = yield* outputsAt(antitheticPoints(x, directions, spec.delta))
    const leads = Array.from(
      { length: 2 * spec.directions },
      (_, row) => lead(example, rowOf(outputs, row, example.outputs)).value,
    )
    const moved = plus(x, 1, step(antitheticGradient(directions, leads, spec.delta)))
    // A step of length 0 is the projection.
    x = yield* advancedFrom(new Float32Array(moved), still, 0)
    const there = yield* outputsAt(x)
    if (there.adversarial[0]) return x
    const { value } = lead(example, there.outputs)
    if (value < best.lead) best = { point: x, lead: value }
  }
  return best.point
}
