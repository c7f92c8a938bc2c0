import type { AttackSpec } from '@saddle/attacks'
import type { WorkerPool } from '../pool/pool.js'
import { apportion } from '../ranks/deal.js'
import { type Ranks, startsOf } from '../ranks/ranks.js'
import { packEvaluation, unpackEvaluation } from '../ranks/replies.js'
import { shardsOf } from '../replica/shards.js'
import type { Evaluation } from '../run/events.js'
import { allSettledOrThrow } from './settled.js'
import { sum } from './sums.js'

export interface EvaluateOptions {
  readonly part: 'train' | 'test'
  readonly count: number
  readonly shard: number
  readonly attack: AttackSpec
  readonly onProgress: (done: number, total: number) => void
}

/**
 * Clean and robust loss and accuracy over one part of the data, whose shards are split evenly over the ranks; sums in
 * example order, float64.
 */
export async function evaluatePart(
  pool: WorkerPool,
  ranks: Ranks,
  { part, count, shard, attack, onProgress }: EvaluateOptions,
): Promise<Evaluation> {
  const shards = shardsOf(count, shard)
  const runs = startsOf(apportion(shards.length, Array<number>(ranks.size).fill(1)))
  const ofRank = (rank: number) => shards.slice(runs[rank]!, runs[rank + 1]!)
  const examplesOf = (rank: number) => ofRank(rank).reduce((n, s) => n + s.stop - s.start, 0)
  const total = examplesOf(ranks.rank)
  let done = 0
  const own = await ranks.together(() =>
    allSettledOrThrow(
      ofRank(ranks.rank).map(async range => {
        const reply = await pool.run({ kind: 'evaluate', part, attack, ...range })
        done += range.stop - range.start
        onProgress(done, total)
        return reply
      }),
    ),
  )
  const counts = Array.from({ length: ranks.size }, (_, rank) => 4 * examplesOf(rank))
  const replies = unpackEvaluation(await ranks.gatherNumbers(packEvaluation(own), counts), shards)
  const mean = (pick: (reply: (typeof replies)[number]) => ArrayLike<number>) =>
    replies.reduce((sums, reply) => sums + sum(pick(reply)), 0) / count
  return {
    examples: count,
    cleanLoss: mean(r => r.cleanLosses),
    cleanAccuracy: mean(r => r.cleanCorrect),
    robustLoss: mean(r => r.robustLosses),
    robustAccuracy: mean(r => r.robustCorrect),
  }
}
