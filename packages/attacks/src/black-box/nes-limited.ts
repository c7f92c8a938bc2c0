import type { Stream } from '@saddle/core'
import { outputsAt, type Search } from '../search/ask.js'
import { type Example, inBox } from '../search/example.js'
import { clamp, mapped, plus, rowOf, scaled } from '../search/rows.js'
import { adversarialStart } from './adversarial-start.js'
import { antitheticPoints, gaussian } from './directions.js'
import { plateau } from './plateau.js'

/** Hyperparameters that the attacks of Ilyas et al. with limited information share. */
export interface LimitedNes {
  /** Queries an example, at most. */
  readonly queries: number
  /** Classes that an answer tells of, the most probable ones. */
  readonly topK: number
  /** n: points a gradient estimate, even. */
  readonly samples: number
  /** σ: how far they lie from x, times a standard normal, in the units of the inputs. */
  readonly sigma: number
  /** The first step of sign(g), and the smallest it is halved to, in the units of the inputs. */
  readonly stepSize: number
  readonly leastStep: number
  readonly patience: number
  readonly momentum: number
  /** The radius is brought down as soon as the loss is below this. */
  readonly threshold: number
  /** How much it is brought down by at first, and the share of that which is taken in the end, 1 in `caution`. */
  readonly shrink: number
  readonly caution: number
  /** Random points tried for a start, and points on the line to it. */
  readonly draws: number
  readonly blends: number
}

/** A loss that is known in part: asks for what it needs around the points and says which of them it has values for. */
export interface PartialLoss {
  /** Queries for n points. */
  queries(samples: number): number
  /** The loss at each row, NaN where it is not known: small where the target is likely. */
  at(points: Float32Array, target: number, stream: Stream): Search<Float64Array>
}

/**
 * The loop of Ilyas, Engstrom, Athalye & Lin (2018, Algorithm 2) for linf: start at a point of the target class
 * far from x_0 and keep the target among the first k classes while the radius ε comes down to the set's.
 *
 *   g       momentum over ĝ = 1/n Σ_j L(x + σ u_j) u_j/σ, the j whose L is known
 *   x'      clip(x − η sign(g)) to within ε − Δ of x_0; Δ = 0 unless L < threshold
 *           accepted if the target is among the first k, else η is halved; below its least, Δ is halved
 *   ε       ← ε − Δ/caution after success
 *
 * Without a target, the class of the start is the target. Returns the last x: adversarial within the radius if the
 * search was done before its queries.
 */
export function* shrinkTowards(
  spec: LimitedNes,
  example: Example,
  loss: PartialLoss,
): Search<Float32Array> {
  const { centre, norm, radius: goal } = example
  const first = yield* outputsAt(centre)
  if (first.adversarial[0]) return centre
  const stream = example.stream(0)
  const others = spec.blends + (example.start === null ? 2 : 3)
  const draws = Math.min(spec.draws, Math.max(0, spec.queries - others))
  const { start, queries } = yield* adversarialStart(example, stream, { ...spec, draws })
  if (start === null) return centre
  const ranks = (yield* outputsAt(start)).outputs
  const target = example.target ?? ranks.indexOf(ranks.reduce((a, b) => Math.max(a, b)))
  const walk = { x: start, epsilon: norm.distance(start, centre), adversarial: true }
  let g: Float64Array = new Float64Array(centre.length)
  let step = plateau(spec.stepSize, spec.leastStep, spec.patience)
  let shrink = spec.shrink
  let used = 2 + queries
  const mayAsk = (more: number) => used + more <= spec.queries
  while (!(walk.adversarial && walk.epsilon <= goal) && mayAsk(loss.queries(spec.samples) + 1)) {
    const { value, estimate } = yield* estimateAt(spec, walk.x, target, loss, stream)
    used += loss.queries(spec.samples)
    g = plus(scaled(spec.momentum, g), 1 - spec.momentum, estimate)
    step = step.after(-value)
    let eta = step.size
    let down = value < spec.threshold && walk.epsilon > goal ? shrink : 0
    for (;;) {
      if (!mayAsk(1)) return walk.x
      const within = Math.max(walk.epsilon - down, goal)
      const point = stepped(example, walk.x, g, eta, within)
      const there = yield* outputsAt(point)
      used++
      if (isShown(there.outputs[target]!)) {
        if (down > 0) {
          shrink = Math.max(down, LEAST_SHRINK)
          step = plateau(step.size, spec.leastStep, spec.patience)
        }
        walk.x = point
        walk.epsilon = Math.max(walk.epsilon - down / spec.caution, goal)
        walk.adversarial = there.adversarial[0] === 1
        break
      }
      if (eta >= 2 * spec.leastStep) eta /= 2
      else if (down === 0) return walk.x
      else {
        down = down / 2 < FINEST_SHRINK ? 0 : down / 2
        eta = step.size
      }
    }
  }
  return walk.x
}

/** Δ of the next shrinkage is at least the first of these; below the second none is tried. */
const LEAST_SHRINK = 0.1
const FINEST_SHRINK = 2e-3

/** Is the class among those that the answer tells of: its log-probability is finite, or its rank is not 0. */
function isShown(value: number): boolean {
  return Number.isFinite(value) && value !== 0
}

function* estimateAt(
  spec: LimitedNes,
  x: Float32Array,
  target: number,
  loss: PartialLoss,
  stream: Stream,
): Search<{ value: number; estimate: Float64Array }> {
  const d = x.length
  const directions = Array.from({ length: spec.samples / 2 }, () => gaussian(stream, d))
  const values = yield* loss.at(antitheticPoints(x, directions, spec.sigma), target, stream)
  const estimate = new Float64Array(d)
  let sum = 0
  let known = 0
  values.forEach((value, row) => {
    if (Number.isNaN(value)) return
    known++
    sum += value
    const u = directions[row >> 1]!
    const weight = row % 2 === 0 ? value : -value
    for (let j = 0; j < d; j++) estimate[j]! += weight * u[j]!
  })
  if (known === 0) return { value: Number.POSITIVE_INFINITY, estimate }
  return { value: sum / known, estimate: scaled(1 / (known * spec.sigma), estimate) }
}

/** clip(x − η sign(g)) to within ε of x_0 and to the box. */
function stepped(
  example: Example,
  x: Float32Array,
  g: Float64Array,
  eta: number,
  epsilon: number,
): Float32Array {
  const { centre } = example
  const moved = mapped(x, (v, j) =>
    clamp(v - eta * Math.sign(g[j]!), centre[j]! - epsilon, centre[j]! + epsilon),
  )
  return inBox(example, moved)
}

/** −log p of the target, where it is shown. */
export const shownCrossEntropy: PartialLoss = {
  queries: samples => samples,
  *at(points, target) {
    const { outputs, adversarial } = yield* outputsAt(points)
    const c = outputs.length / adversarial.length
    return Float64Array.from(adversarial, (_, row) => {
      const shown = rowOf(outputs, row, c)[target]!
      return Number.isFinite(shown) ? -shown : Number.NaN
    })
  },
}

/**
 * The proxy of the label-only attack: 1 − S/k, S the mean rank of the target (k the first, 0 beyond the k-th) at
 * `points` points drawn uniformly within `radius` of x in every coordinate.
 */
export function meanRank(
  { topK, samples }: Pick<LimitedNes, 'topK' | 'samples'>,
  points: number,
  radius: number,
): PartialLoss {
  return {
    queries: count => count * points,
    *at(rows, target, stream) {
      const d = rows.length / samples
      const values = new Float64Array(samples)
      for (let row = 0; row < samples; row++) {
        const around = new Float32Array(points * d)
        for (let at = 0; at < around.length; at++)
          around[at] = rows[row * d + (at % d)]! + radius * (2 * stream.uniform() - 1)
        const { outputs } = yield* outputsAt(around)
        const c = outputs.length / points
        let sum = 0
        for (let i = 0; i < points; i++) sum += rowOf(outputs, i, c)[target]!
        values[row] = 1 - sum / (points * topK)
      }
      return values
    },
  }
}
