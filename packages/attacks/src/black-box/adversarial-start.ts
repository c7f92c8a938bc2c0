import type { Stream } from '@saddle/core'
import { decisionsAt, type Search } from '../search/ask.js'
import { type Example, inBox } from '../search/example.js'
import { blend, plus, rowOf, scaled } from '../search/rows.js'
import { gaussian, unit } from './directions.js'

/** Where a walk along the boundary begins. */
export interface StartOptions {
  /** Random points tried, at most. */
  readonly draws: number
  /** Points tried between x_0 and the random point. */
  readonly blends: number
}

/** Random points a question: an example that is easy to break asks no more than once. */
const AT_A_TIME = 10

/**
 * An adversarial point to begin with (Brendel, Rauber & Bethge 2018): the point that the user gave, if it is adversarial;
 * else the first of `draws` random points that is, and on the line from x_0 to it the first of `blends` equidistant
 * points that is. null if none is. With it the number of queries that it took: 1 for a given point, then at most
 * `draws` + `blends`.
 *
 * In a box the first point is uniform noise, as in Foolbox. Noise of one kind tends to be of one class, so from the
 * second point on only a random share of the coordinates is noise. Without a box points lie in random directions at
 * distances from the radius to 2^20 times as much.
 */
export function* adversarialStart(
  example: Example,
  stream: Stream,
  { draws, blends }: StartOptions,
): Search<{ readonly start: Float32Array | null; readonly queries: number }> {
  const d = example.centre.length
  let queries = 0
  if (example.start !== null) {
    queries++
    if ((yield* decisionsAt(example.start))[0]) return { start: example.start, queries }
  }
  for (let k = 0; k < draws; k += AT_A_TIME) {
    const count = Math.min(AT_A_TIME, draws - k)
    const points = new Float32Array(count * d)
    for (let i = 0; i < count; i++) points.set(draw(example, stream, k + i, draws), i * d)
    const adversarial = yield* decisionsAt(points)
    queries += count
    const at = adversarial.indexOf(1)
    if (at < 0) continue
    const far = rowOf(points, at, d)
    for (let b = 1; b < blends; b++) {
      const x = inBox(example, blend(example.centre, far, b / blends))
      queries++
      if ((yield* decisionsAt(x))[0]) return { start: x, queries }
    }
    return { start: far.slice(), queries }
  }
  return { start: null, queries }
}

function draw(example: Example, stream: Stream, k: number, draws: number): Float32Array {
  const { centre, lo, hi, radius } = example
  if (!Number.isFinite(hi - lo)) {
    const length = (radius > 0 ? radius : 1) * 2 ** Math.floor((20 * k) / draws)
    return inBox(example, plus(centre, 1, scaled(length, unit(gaussian(stream, centre.length)))))
  }
  const share = k === 0 ? 1 : stream.uniform()
  return Float32Array.from(centre, v => {
    const isNoise = stream.uniform() < share
    const noise = lo + (hi - lo) * stream.uniform()
    return isNoise ? noise : v
  })
}
