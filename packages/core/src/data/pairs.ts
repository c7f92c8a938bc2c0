import { SaddleError } from '../errors.js'
import { openStream } from '../random/stream.js'
import type { DataSpec } from './dataset.js'
import { distance, randomTangent, randomUnit, turn } from './directions.js'
import type { Examples, Source } from './examples.js'

type PairsSpec = Extract<DataSpec['source'], { kind: 'pairs' }>

/**
 * Pair-structured data of S_δ (Section 6: all points more than 2δ apart), on the unit sphere. Examples 2p and 2p + 1
 * are a random point c turned by ±θ towards a random tangent q, and have classes 0 and 1:
 *
 *   x = cos θ c ∓ sin θ q,   distance 2 sin θ = gap · 2δ
 *
 * A pair that comes within 2δ of an earlier one is drawn again. The parts are unrelated: nothing is to be learnt from
 * one of the other, as in the lower bound. O(n² d).
 *
 * @throws SaddleError CONFIG if a count is odd, a pair does not fit on the sphere, or no room is left.
 */
export function makePairs(
  source: PairsSpec,
  counts: { readonly train: number; readonly test: number | null },
  seed: number,
): Source {
  const sine = source.gap * source.delta
  if (!(source.gap > 1 && source.delta > 0 && sine <= 1))
    throw new SaddleError(
      'CONFIG',
      `Two points of a pair are to be gap · 2 delta = ${2 * sine} apart; expected gap > 1, delta > 0 and a distance of at most 2, the diameter of the unit sphere. Lower data.source.delta or gap.`,
      { gap: source.gap, delta: source.delta },
    )
  return {
    train: makePart(source, 'train', counts.train, seed),
    test: counts.test === null ? null : makePart(source, 'test', counts.test, seed),
  }
}

const TRIES = 1000

function makePart(source: PairsSpec, part: string, count: number, seed: number): Examples {
  const { dimension, delta, gap } = source
  if (count % 2 === 1)
    throw new SaddleError(
      'CONFIG',
      `Pairs need an even number of examples, got ${count}. Change data.count or data.testCount.`,
      { count },
    )
  const angle = Math.asin(gap * delta)
  const points: Float64Array[] = []
  for (let pair = 0; 2 * pair < count; pair++) {
    const stream = openStream({ seed, purpose: `data.pairs.${part}`, example: pair })
    let placed = false
    for (let attempt = 0; attempt < TRIES && !placed; attempt++) {
      const centre = randomUnit(stream, dimension)
      const tangent = randomTangent(stream, centre)
      const two = [turn(centre, tangent, -angle), turn(centre, tangent, angle)]
      placed = points.every(other => two.every(x => distance(x, other) > MARGIN * 2 * delta))
      if (placed) points.push(...two)
    }
    if (!placed)
      throw new SaddleError(
        'CONFIG',
        `Only ${points.length} of ${count} points more than 2 delta = ${2 * delta} apart were placed on the unit sphere of R^${dimension}: ${TRIES} tries found no room for the next pair. Lower data.source.delta or the count, or raise dimension.`,
        { placed: points.length, count, delta, dimension },
      )
  }
  const values = new Float64Array(count * dimension)
  for (let i = 0; i < count; i++) values.set(points[i]!, i * dimension)
  return {
    origin: `pairs ${part}`,
    count,
    shape: [dimension],
    values,
    scale: 1,
    labels: Array.from({ length: count }, (_, i) => String(i % 2)),
  }
}

/** Keeps distances above 2δ after coordinates were rounded to float32 (relative error 2⁻²⁴, of points of norm 1). */
const MARGIN = 1 + 1e-5
