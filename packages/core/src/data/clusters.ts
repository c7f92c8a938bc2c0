import { SaddleError } from '../errors.js'
import { openStream, type Stream } from '../random/stream.js'
import type { DataSpec } from './dataset.js'
import { distance, normalise, randomTangent, randomUnit, turn } from './directions.js'
import type { Examples, Source } from './examples.js'

type ClustersSpec = Extract<DataSpec['source'], { kind: 'clusters' }>

/**
 * Clusters on the unit sphere. Example i belongs to cluster k = i mod clusters and is its centre c_k turned by θ
 * towards a random tangent q:
 *
 *   x = cos θ c_k + sin θ q,   chord 2 sin(θ/2) = spread · u^(1/(d−1)),   u uniform in [0, 1)
 *
 * so that ‖x − c_k‖ ≤ spread. Its class is k, or k mod 2 where labels are to be scalar. Both parts share the centres,
 * which `seed` alone decides.
 *
 * @throws SaddleError CONFIG if the centres cannot be placed.
 */
export function makeClusters(
  source: ClustersSpec,
  labels: DataSpec['labels'],
  counts: { readonly train: number; readonly test: number | null },
  seed: number,
): Source {
  if (source.spread > 2)
    throw new SaddleError(
      'CONFIG',
      `data.source.spread is ${source.spread}; expected at most 2, the diameter of the sphere.`,
      { spread: source.spread },
    )
  const centres = placeCentres(source, openStream({ seed, purpose: 'data.centres' }))
  const part = (name: 'train' | 'test', count: number): Examples => {
    const values = new Float64Array(count * source.dimension)
    for (let i = 0; i < count; i++) {
      const stream = openStream({ seed, purpose: `data.${name}`, example: i })
      const centre = centres[i % source.clusters]!
      values.set(near(centre, source.spread, stream), i * source.dimension)
    }
    const classes = labels === 'scalar' ? 2 : source.clusters
    return {
      origin: `clusters ${name}`,
      count,
      shape: [source.dimension],
      values,
      scale: 1,
      labels: Array.from({ length: count }, (_, i) => String((i % source.clusters) % classes)),
    }
  }
  return {
    train: part('train', counts.train),
    test: counts.test === null ? null : part('test', counts.test),
  }
}

function near(centre: Float64Array, spread: number, stream: Stream): Float64Array {
  const chord = spread * stream.uniform() ** (1 / (centre.length - 1))
  return turn(centre, randomTangent(stream, centre), 2 * Math.asin(chord / 2))
}

const SWEEPS = 2000

/** Random unit vectors; then pairs that are too close are pushed apart along their difference until none is left. */
function placeCentres(source: ClustersSpec, stream: Stream): Float64Array[] {
  const { dimension, clusters, separation } = source
  const centres = Array.from({ length: clusters }, () => randomUnit(stream, dimension))
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let moved = false
    for (let i = 0; i < clusters; i++)
      for (let j = 0; j < i; j++) {
        if (distance(centres[i]!, centres[j]!) >= separation) continue
        pushApart(centres[i]!, centres[j]!, separation)
        moved = true
      }
    if (!moved) return centres
  }
  throw new SaddleError(
    'CONFIG',
    `${clusters} cluster centres at least ${separation} apart were not found on the unit sphere of R^${dimension} in ${SWEEPS} sweeps: there is hardly room for them. Lower data.source.separation (at most 2) or clusters, or raise dimension.`,
    { clusters, separation, dimension },
  )
}

/** Moves two unit vectors apart by a little more than they lack, and back onto the sphere. */
function pushApart(a: Float64Array, b: Float64Array, separation: number): void {
  const gap = distance(a, b)
  const step = (0.51 * (separation - gap) + 1e-9) / gap
  for (let j = 0; j < a.length; j++) {
    const push = step * (a[j]! - b[j]!)
    a[j]! += push
    b[j]! -= push
  }
  normalise(a)
  normalise(b)
}
