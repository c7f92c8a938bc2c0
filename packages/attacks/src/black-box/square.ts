import type { Attack } from '../attack.js'
import { advancedFrom, outputsAt, type Search } from '../search/ask.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { crossEntropy, type Example, lead, scoresOf } from '../search/example.js'
import { requirementsOf } from '../search/require.js'
import { type ImageShape, shapeOf } from './image.js'
import { squaresLinf } from './square-linf.js'
import { squaresByWindows } from './square-windows.js'

export interface SquareSpec {
  readonly kind: 'square'
  /** Queries a run, that of the start not counted, as in the reference code. */
  readonly queries: number
  readonly restarts: number
  /** Share of the pixels that the first squares cover. */
  readonly share: number
  /** Do the squares shrink as at 10 000 queries whatever their number, as in AutoAttack, or over all of them? */
  readonly schedule: 'fixed' | 'rescaled'
  /** What falls: `margin`, z_y − max z_j, or the cross-entropy of the label, negative (with a target: of the target). */
  readonly loss: 'margin' | 'cross-entropy'
  /** Layout of the examples; left out, see `shapeOf`. */
  readonly image?: ImageShape | undefined
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `square`; `SquareSpec` says what each means. */
export type SquareOptions = Partial<Omit<SquareSpec, 'kind'>>

const DEFAULTS = {
  queries: 5000,
  restarts: 1,
  share: 0.8,
  schedule: 'fixed',
  loss: 'margin',
} as const

/** A random walk over perturbations: the first point, and what is tried next from the best so far. */
export interface SquareMoves {
  first(): Float32Array
  /** Another point made from `best` by a square that covers `share` of the pixels. */
  next(best: Float32Array, share: number): Float32Array
}

/**
 * The Square attack (Andriushchenko, Croce, Flammarion & Hein 2020), for l1, l2 and linf balls, with the box or
 * without: random search over square perturbations on the border of B(x_0), by scores only. A point is kept if the loss falls
 * or the criterion is met; then the example is done. The moves are in square-linf.ts and square-windows.ts.
 *
 * Defaults are AutoAttack's: 5000 queries, squares of 80 % of the pixels, halved after 10 queries and so on by the
 * fixed schedule, margin loss. Two things of the reference code are not copied: squares are drawn for every example
 * on its own, not once for the batch, and from all places, the last row and column included.
 *
 * Cost: 1 query for x_0, then at most 1 + `queries` a restart.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria, or
 * if `image` does not fit the examples.
 */
export function square(options: SquareOptions = {}): Attack {
  const spec: SquareSpec = { kind: 'square', ...DEFAULTS, ...options }
  const must = requirementsOf('square')
  must.wholeNumber('queries', spec.queries)
  must.wholeNumber('restarts', spec.restarts)
  must.that(spec.share > 0 && spec.share <= 1, `share must be in (0, 1], got ${spec.share}`)
  return attackBySearch(
    { spec, aim: 'fixed-radius', passes: 1 + spec.restarts * (1 + spec.queries) },
    { access: 'scores', sets: [...BALLS.l1, ...BALLS.l2, ...BALLS.linf], predictions: true },
    example => search(spec, example),
  )
}

function* search(spec: SquareSpec, example: Example): Search<Float32Array> {
  const clean = yield* outputsAt(example.centre)
  let best = { point: example.centre, loss: lossOf(spec, example, clean.outputs) }
  if (clean.adversarial[0]) return best.point
  const still = new Float32Array(example.centre.length)
  const shape = shapeOf(example.centre.length, spec.image)
  for (let restart = 0; restart < spec.restarts; restart++) {
    const stream = example.stream(restart)
    const moves =
      example.norm.name === 'linf'
        ? squaresLinf(example, shape, stream)
        : squaresByWindows(example, shape, stream)
    let walk = { point: moves.first(), loss: Number.POSITIVE_INFINITY }
    for (let k = -1; k < spec.queries; k++) {
      const moved = k < 0 ? walk.point : moves.next(walk.point, shareAt(spec, k))
      // For l1 a move may leave the set; a step of length 0 is the projection.
      const point = example.norm.name === 'l1' ? yield* advancedFrom(moved, still, 0) : moved
      const { outputs, adversarial } = yield* outputsAt(point)
      if (adversarial[0]) return point
      const loss = lossOf(spec, example, outputs)
      if (loss < walk.loss) walk = { point, loss }
    }
    if (walk.loss < best.loss) best = walk
  }
  return best.point
}

/** What is to fall. */
function lossOf(spec: SquareSpec, example: Example, outputs: Float32Array): number {
  if (spec.loss === 'margin') return lead(example, outputs).value
  const z = scoresOf(example, outputs)
  const { label, target } = example
  return target === null ? -crossEntropy(z, label).value : crossEntropy(z, target).value
}

/** Queries, of 10 000, after which the share is halved once more; the first is 10. */
const HALVINGS = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]

/** The share of pixels of the square at query k = 0, 1, … */
export function shareAt(
  spec: Pick<SquareSpec, 'queries' | 'share' | 'schedule'>,
  k: number,
): number {
  const at = spec.schedule === 'fixed' ? k : Math.floor((k / spec.queries) * 10_000)
  return spec.share / 2 ** HALVINGS.filter(after => at > after).length
}
