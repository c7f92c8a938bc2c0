import type { Attack } from '../attack.js'
import { abreast, gradientAt, outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { type Example, inBox, lead, leadCotangent, scoresOf } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { blend, clamp, plus, type Row, rowOf } from '../search/rows.js'
import { type Closest, nearer, noneYet } from './closest.js'
import { stepToHyperplane } from './hyperplane.js'

export interface FabSpec {
  readonly kind: 'fab'
  /** Iterations a run. */
  readonly steps: number
  /** Runs from x, and then from random points at half the radius of the set from it. */
  readonly restarts: number
  /** Boundaries a run aims at: 0 the closest of all at every step; k ≥ 1 those of the k likeliest wrong classes, a run each. */
  readonly targetClasses: number
  /** α_max: the largest share of the step towards x_0. */
  readonly alphaMax: number
  /** η: overshoot. */
  readonly eta: number
  /** β: an adversarial point goes on from x_0 + β (x − x_0). */
  readonly beta: number
  /** True: an example with an adversarial point in the set is done, as in AutoAttack; false: the closest one is wanted. */
  readonly stopInside: boolean
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `fab`; `FabSpec` says what each means. */
export type FabOptions = Partial<Omit<FabSpec, 'kind'>>

const DEFAULTS = {
  steps: 100,
  restarts: 1,
  targetClasses: 0,
  alphaMax: 0.1,
  eta: 1.05,
  beta: 0.9,
  stopInside: false,
} as const

/**
 * FAB, the fast adaptive boundary attack (Croce & Hein 2020, "Minimally distorted adversarial examples with a fast
 * adaptive boundary attack"), for l1, l2 and linf balls, with the box or without: the closest adversarial point.
 *
 * With h = z_y − z_s for the class s whose linearised boundary π = {h(x) + ⟨∇h, · − x⟩ = 0} is nearest, and d, d_0 the
 * shortest steps inside the box from x and x_0 to π:
 *
 *   α = min(‖d‖/(‖d‖ + ‖d_0‖), α_max),   x ← clip((1 − α)(x + η d) + α (x_0 + η d_0))
 *
 * An adversarial x is noted, and x ← x_0 + β (x − x_0). Defaults are those of the reference code. With `targetClasses`
 * k it is FAB-T as AutoAttack uses it (k = 9): s is fixed to each of the k likeliest wrong classes of x_0, all abreast. A
 * criterion with a target takes the boundary between the target and the best other class.
 *
 * Cost: 1 query, then for every step a query and a gradient step a boundary: classes − 1 of them, or 1 with
 * `targetClasses` or a target. An example that is adversarial to begin with costs the 1 query.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function fab(options: FabOptions = {}): Attack {
  const spec: FabSpec = { kind: 'fab', ...DEFAULTS, ...options }
  const must = requirementsOf('fab')
  must.wholeNumber('steps', spec.steps)
  must.wholeNumber('restarts', spec.restarts)
  must.wholeNumber('targetClasses', spec.targetClasses, 0)
  must.between('alphaMax', spec.alphaMax, 0, 1)
  must.positive('eta', spec.eta)
  must.between('beta', spec.beta, 0, 1)
  const runs = spec.restarts * Math.max(1, spec.targetClasses)
  return attackBySearch(
    {
      spec,
      aim: spec.stopInside ? 'fixed-radius' : 'minimum-norm',
      passes: 1 + 2 * runs * spec.steps,
    },
    { access: 'gradients', sets: [...BALLS.l1, ...BALLS.l2, ...BALLS.linf], predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: FabSpec, example: Example): Search<Float32Array> {
  const { centre } = example
  const { outputs, adversarial } = yield* outputsAt(centre)
  if (adversarial[0]) return centre
  const found: Holder = { best: noneYet(centre) }
  const classes = boundariesOf(spec, example, outputs)
  yield* abreast(
    classes.map(function* (wrong, k): Search<void> {
      for (let restart = 0; restart < spec.restarts; restart++) {
        const start =
          restart === 0
            ? centre
            : randomStart(example, found.best.distance, k * spec.restarts + restart)
        yield* run(spec, example, wrong, start, found)
      }
    }),
  )
  return found.best.point
}

/** The closest point of all runs of an example. */
interface Holder {
  best: Closest
}

/** The wrong class of each run; null for a run that takes the closest boundary of every step. */
function boundariesOf(spec: FabSpec, example: Example, outputs: Row): (number | null)[] {
  if (spec.targetClasses === 0 || example.target !== null) return [null]
  const z = scoresOf(example, outputs)
  const wrong = Array.from(z.keys()).filter(k => k !== example.label)
  return wrong.sort((a, b) => z[b]! - z[a]! || a - b).slice(0, spec.targetClasses)
}

/** At min(closest distance so far, radius)/2 from x_0, in a random direction. */
function randomStart(example: Example, closest: number, restart: number): Float32Array {
  const { centre, norm, radius } = example
  const stream = example.stream(restart)
  const offset = new Float64Array(centre.length)
  if (norm.name === 'linf')
    for (let j = 0; j < offset.length; j++) offset[j] = 2 * stream.uniform() - 1
  else stream.fillNormal(offset)
  const length = Math.min(closest, radius) / 2
  return inBox(example, plus(centre, length / norm.of(offset), offset))
}

function* run(
  spec: FabSpec,
  example: Example,
  wrong: number | null,
  start: Float32Array,
  found: Holder,
): Search<void> {
  const { centre, norm, lo, hi } = example
  const done = () => spec.stopInside && found.best.distance <= example.radius
  let x = start
  for (let k = 0; k < spec.steps && !done(); k++) {
    const { h, w } = yield* nearestBoundary(example, wrong, x)
    const d = stepToHyperplane(norm.name, { t: x, h, w, lo, hi })
    const h0 = h + dotDifference(w, centre, x)
    const d0 = stepToHyperplane(norm.name, { t: centre, h: h0, w, lo, hi })
    const [length, length0] = [Math.max(norm.of(d), LEAST), Math.max(norm.of(d0), LEAST)]
    const alpha = Math.min(length / (length + length0), spec.alphaMax)
    x = between(example, { x, d, d0, alpha, eta: spec.eta })
    const { adversarial } = yield* outputsAt(x)
    if (!adversarial[0]) continue
    found.best = nearer(found.best, x, norm.distance(x, centre))
    x = inBox(example, blend(centre, x, spec.beta))
  }
}

/** ⟨w, a − b⟩. */
function dotDifference(w: Row, a: Row, b: Row): number {
  let sum = 0
  for (let j = 0; j < w.length; j++) sum += w[j]! * (a[j]! - b[j]!)
  return sum
}

/** clip((1 − α)(x + η d) + α (x_0 + η d_0)). */
function between(
  { centre, lo, hi }: Example,
  {
    x,
    d,
    d0,
    alpha,
    eta,
  }: {
    readonly x: Row
    readonly d: Row
    readonly d0: Row
    readonly alpha: number
    readonly eta: number
  },
): Float32Array {
  const out = new Float32Array(x.length)
  for (let j = 0; j < out.length; j++) {
    const free = (1 - alpha) * (x[j]! + eta * d[j]!) + alpha * (centre[j]! + eta * d0[j]!)
    out[j] = clamp(free, lo, hi)
  }
  return out
}

/** Keeps the two lengths from being 0 both. */
const LEAST = 1e-8

/** h and its gradient for the boundary that is nearest to x by its linearisation. */
function* nearestBoundary(
  example: Example,
  wrong: number | null,
  x: Float32Array,
): Search<{ h: number; w: Float32Array }> {
  const pairs = pairsOf(example, wrong)
  const points = new Float32Array(pairs.length * x.length)
  for (let row = 0; row < pairs.length; row++) points.set(x, row * x.length)
  const { outputs, rows } = yield* gradientAt(points, (f, row) =>
    leadCotangent(example, pairs[row]!(f)),
  )
  const f = outputs.subarray(0, example.outputs)
  const z = scoresOf(example, f)
  let nearest: { h: number; w: Float32Array } = { h: 0, w: new Float32Array(x.length) }
  let least = Number.POSITIVE_INFINITY
  pairs.forEach((pair, row) => {
    const { over, under } = pair(f)
    const h = z[over]! - z[under]!
    const w = rowOf(rows, row, x.length)
    const distance = Math.abs(h) / (1e-12 + example.norm.dual(w))
    if (!(distance < least)) return
    nearest = { h, w }
    least = distance
  })
  return nearest
}

type Pair = (f: Row) => { readonly over: number; readonly under: number }

/** The boundaries that compete: between the label and the wrong class, or all wrong classes, or at a target. */
function pairsOf(example: Example, wrong: number | null): Pair[] {
  const { label, target, classes } = example
  if (target !== null) return [f => lead(example, f)]
  if (wrong !== null) return [() => ({ over: label, under: wrong })]
  return Array.from({ length: classes }, (_, under) => under)
    .filter(under => under !== label)
    .map(under => () => ({ over: label, under }))
}
