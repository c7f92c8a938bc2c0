import type { AttackReply } from '../pool/messages.js'
import type { WorkerPool } from '../pool/pool.js'
import type { Ranks } from '../ranks/ranks.js'
import type { Team } from '../team/team.js'
import type { GradientOptions, Shard } from './gradient.js'

/**
 * Attacks shards one after the other, each by all workers of all ranks as a team: every worker passes the shard's
 * examples through its own neurons, and leaves the gradient of their rows where its rank's update finds it.
 */
export function splitNeurons(
  pool: WorkerPool,
  team: Team,
  ranks: Ranks,
  { step, batch, recipe, onShard }: GradientOptions,
): (shards: readonly Shard[]) => Promise<AttackReply[]> {
  return async shards => {
    const replies: AttackReply[] = []
    for (const { index, count, ...shard } of shards) {
      const task = { step, recipe, batch, shard: index, shards: count, ...shard }
      replies.push(await pool.runTeam(team, ranks, { kind: 'team', ...task }))
      onShard(index + 1, count)
    }
    return replies
  }
}
