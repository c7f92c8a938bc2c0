import type { AttackSpec } from '@saddle/attacks'
import type { EvaluateReply } from '../pool/messages.js'
import type { WorkerPool } from '../pool/pool.js'
import { apportion } from '../ranks/deal.js'
import { type Ranks, startsOf } from '../ranks/ranks.js'
import { packEvaluation, unpackEvaluation } from '../ranks/replies.js'
import { type Range, shardsOf } from '../replica/shards.js'
import type { Evaluation } from '../run/events.js'
import type { Team } from '../team/team.js'
import { allSettledOrThrow } from './settled.js'
import { sum } from './sums.js'

export interface EvaluateOptions {
  readonly part: 'train' | 'test'
  /** Workers that split the neurons, on all ranks; null where examples are split. */
  readonly team: Team | null
  readonly count: number
  readonly shard: number
  readonly attack: AttackSpec
  readonly onProgress: (done: number, total: number) => void
}

/**
 * Clean and robust loss and accuracy over one part of the data, whose shards are split evenly over the ranks, or whose
 * neurons are; sums in example order, float64.
 */
export async function evaluatePart(
  pool: WorkerPool,
  ranks: Ranks,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { count, shard } = options
  const shards = shardsOf(count, shard)
  const replies =
    options.team === null
      ? await dealShards(pool, ranks, shards, options)
      : await ranks.together(() => shardsTogether(pool, ranks, shards, options))
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

/** Every rank evaluates a run of the shards, and gets what the others found. */
async function dealShards(
  pool: WorkerPool,
  ranks: Ranks,
  shards: readonly Range[],
  { part, attack, onProgress }: EvaluateOptions,
): Promise<EvaluateReply[]> {
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
  return unpackEvaluation(await ranks.gatherNumbers(packEvaluation(own), counts), shards)
}

/** All workers of all ranks evaluate one shard after the other, each with neurons of its own. */
async function shardsTogether(
  pool: WorkerPool,
  ranks: Ranks,
  shards: readonly Range[],
  { part, attack, count, team, onProgress }: EvaluateOptions,
): Promise<EvaluateReply[]> {
  const replies: EvaluateReply[] = []
  for (const range of shards) {
    const task = { kind: 'team-evaluate', part, attack, ...range } as const
    replies.push(await pool.runTeam(team!, ranks, task))
    onProgress(range.stop, count)
  }
  return replies
}
