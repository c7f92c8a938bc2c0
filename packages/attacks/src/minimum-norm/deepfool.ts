import type { Attack } from '../attack.js'
import { gradientAt, outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { type Example, inBox, lead, leadCotangent, scoresOf } from '../search/example.js'
import type { Norm } from '../search/norm.js'
import { requirementsOf } from '../search/require.js'
import { mapped, plus, type Row, rowOf, scaled } from '../search/rows.js'

export interface DeepFoolSpec {
  readonly kind: 'deepfool'
  readonly steps: number
  /** The likeliest wrong classes of x_0, whose boundaries compete. */
  readonly candidates: number
  /** The whole way is made longer by this share. */
  readonly overshoot: number
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `deepfool`; `DeepFoolSpec` says what each means. */
export type DeepFoolOptions = Partial<Omit<DeepFoolSpec, 'kind'>>

const DEFAULTS = { steps: 50, candidates: 10, overshoot: 0.02 } as const

/**
 * DeepFool (Moosavi-Dezfooli, Fawzi & Frossard 2016) for l2 and linf balls, with the box or without. From x, with
 * h_k = z_y − z_k and w_k = ∇h_k, the class k of least |h_k|/‖w_k‖_* gives the step
 *
 *   l2     −(h/‖w‖₂²) w          linf   −(h/‖w‖₁) sign(w)
 *
 * until x is adversarial; x = clip(x_0 + (1 + overshoot) · (all steps so far)). Defaults: 50 steps, overshoot 0.02 and
 * the 10 likeliest classes, as in the authors' code. In a box, which clips part of every step, x would come closer and
 * closer to the boundary without passing it: the authors add 1e-4 to every step, here it is a thousandth of ‖x − x_0‖.
 * A criterion with a target takes the boundary between the target and the best other class.
 *
 * What it finds is the first adversarial point, not the closest: DeepFool is fast and overestimates distances.
 *
 * Cost: 1 query, then a query and a gradient step a candidate and step, and a query for the point after it.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function deepfool(options: DeepFoolOptions = {}): Attack {
  const spec: DeepFoolSpec = { kind: 'deepfool', ...DEFAULTS, ...options }
  const must = requirementsOf('deepfool')
  must.wholeNumber('steps', spec.steps)
  must.wholeNumber('candidates', spec.candidates)
  must.that(spec.overshoot >= 0, `overshoot must be at least 0, got ${spec.overshoot}`)
  return attackBySearch(
    { spec, aim: 'minimum-norm', passes: 1 + 2 * spec.steps },
    { access: 'gradients', sets: [...BALLS.l2, ...BALLS.linf], predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: DeepFoolSpec, example: Example): Search<Float32Array> {
  const { centre } = example
  const first = yield* outputsAt(centre)
  if (first.adversarial[0]) return centre
  const rivals = rivalsOf(spec, example, first.outputs)
  let x = centre
  let way: Float64Array = new Float64Array(centre.length)
  for (let k = 0; k < spec.steps; k++) {
    const step = yield* stepToNearest(example, rivals, x)
    if (step === null) return centre
    way = plus(way, 1, step)
    x = inBox(example, plus(centre, 1 + spec.overshoot, way))
    const { adversarial } = yield* outputsAt(x)
    if (adversarial[0]) return x
  }
  return centre
}

type Pair = (f: Row) => { readonly over: number; readonly under: number }

function rivalsOf(spec: DeepFoolSpec, example: Example, outputs: Row): Pair[] {
  const { label, target } = example
  if (target !== null) return [f => lead(example, f)]
  const z = scoresOf(example, outputs)
  const wrong = Array.from(z.keys()).filter(k => k !== label)
  return wrong
    .sort((a, b) => z[b]! - z[a]! || a - b)
    .slice(0, spec.candidates)
    .map(under => () => ({ over: label, under }))
}

/** The step to the nearest boundary; null where no gradient shows a way. */
function* stepToNearest(
  example: Example,
  rivals: readonly Pair[],
  x: Float32Array,
): Search<Float64Array | null> {
  const points = new Float32Array(rivals.length * x.length)
  for (let row = 0; row < rivals.length; row++) points.set(x, row * x.length)
  const { outputs, rows } = yield* gradientAt(points, (f, row) =>
    leadCotangent(example, rivals[row]!(f)),
  )
  const f = outputs.subarray(0, example.outputs)
  const z = scoresOf(example, f)
  let step: Float64Array | null = null
  let least = Number.POSITIVE_INFINITY
  rivals.forEach((pair, row) => {
    const { over, under } = pair(f)
    const w = rowOf(rows, row, x.length)
    const size = example.norm.dual(w)
    const distance = Math.abs(z[over]! - z[under]!) / size
    if (!(size > 0 && distance < least)) return
    least = distance
    step = shortest(
      example.norm.name,
      w,
      size,
      distance + BEYOND * example.norm.distance(x, example.centre),
    )
  })
  return step
}

/** How far every step goes beyond the boundary, as a share of the way so far. */
const BEYOND = 1e-3

/** The shortest step of length `distance` against w, whose dual norm is `size`. */
function shortest(norm: Norm['name'], w: Row, size: number, distance: number): Float64Array {
  if (norm === 'l2') return scaled(-distance / size, w)
  return mapped(w, v => -distance * Math.sign(v))
}
