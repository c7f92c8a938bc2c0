import type { AttackSpec } from '@saddle/attacks'
import type { WorkerPool } from '../pool/pool.js'
import { shardsOf } from '../replica/shards.js'
import type { Evaluation } from '../run/events.js'
import { allSettledOrThrow } from './settled.js'
import { sum } from './sums.js'

/** Clean and robust loss and accuracy over one part of the data; sums in example order, float64. */
export async function evaluatePart(
  pool: WorkerPool,
  part: 'train' | 'test',
  count: number,
  shard: number,
  attack: AttackSpec,
  onProgress: (done: number, total: number) => void,
): Promise<Evaluation> {
  let done = 0
  const replies = await allSettledOrThrow(
    shardsOf(count, shard).map(async range => {
      const reply = await pool.run({ kind: 'evaluate', part, attack, ...range })
      done += range.stop - range.start
      onProgress(done, count)
      return reply
    }),
  )
  const mean = (pick: (reply: (typeof replies)[number]) => ArrayLike<number>) =>
    replies.reduce((total, reply) => total + sum(pick(reply)), 0) / count
  return {
    examples: count,
    cleanLoss: mean(r => r.cleanLosses),
    cleanAccuracy: mean(r => r.cleanCorrect),
    robustLoss: mean(r => r.robustLosses),
    robustAccuracy: mean(r => r.robustCorrect),
  }
}
