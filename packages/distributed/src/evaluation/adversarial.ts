import { writeNpy } from '../run/npy.js'
import { blockSize, blocksFor } from './blocks.js'
import type { EvaluationJob } from './messages.js'
import type { Resolved } from './resolve.js'
import type { Store } from './store.js'
import type { Findings } from './summary.js'

/**
 * By radius and example: the attack whose point is worst. One that succeeds is worse than one that does not, then the
 * larger loss is, then the attack that comes first.
 */
export function worstAttacks({ searched }: Findings, radii: number, n: number): Int32Array[] {
  return Array.from({ length: radii }, (_, r) => {
    const worst = new Int32Array(n)
    for (let a = 1; a < searched.length; a++) {
      const rival = searched[a]!.radii[r]!
      for (let i = 0; i < n; i++) {
        const holder = searched[worst[i]!]!.radii[r]!
        const gain =
          rival.success[i]! - holder.success[i]! ||
          lossOf(rival.losses[i]!) - lossOf(holder.losses[i]!)
        if (gain > 0) worst[i] = a
      }
    }
    return worst
  })
}

function lossOf(loss: number): number {
  return Number.isNaN(loss) ? Number.NEGATIVE_INFINITY : loss
}

/**
 * Writes the worst points that were found, [n, …] for one radius and [radii, n, …] for several, in the units and the shape
 * of the examples; where nothing succeeded, the point of largest loss.
 */
export async function writeAdversarial(
  file: string,
  { job, examples }: Resolved,
  store: Store,
  findings: Findings,
): Promise<void> {
  const { radii, order, data } = job
  const all = await worstPoints(job, store, findings)
  const shape = examples.shape ?? [data.dimension]
  await writeNpy(file, [...(radii.length === 1 ? [] : [radii.length]), order.length, ...shape], all)
}

/** The worst point of every example at every radius: [radii, n, d]. */
export async function worstPoints(
  job: EvaluationJob,
  store: Store,
  findings: Findings,
): Promise<Float32Array> {
  const { radii, order, data, attacks } = job
  const n = order.length
  const { dimension } = data
  const worst = worstAttacks(findings, radii.length, n)
  const all = new Float32Array(radii.length * n * dimension)
  for (const a of attacks.keys())
    for (let block = 0; block < blocksFor(n); block++) {
      const start = block * blockSize(n)
      const size = Math.min(n, start + blockSize(n)) - start
      const points = await store.pointsOf(a, block)
      for (let r = 0; r < radii.length; r++)
        for (let i = 0; i < size; i++) {
          if (worst[r]![start + i] !== a) continue
          const from = (r * size + i) * dimension
          all.set(points.subarray(from, from + dimension), (r * n + start + i) * dimension)
        }
    }
  return all
}
