import type { AttackReply } from '../pool/messages.js'
import type { WorkerPool } from '../pool/pool.js'
import { dealRounds } from '../ranks/deal.js'
import type { Dealing } from '../ranks/dealing.js'
import { settle } from '../ranks/ranks.js'
import { packedLength, packReplies, unpackReplies } from '../ranks/replies.js'
import { pointsOf } from '../recipes/recipe.js'
import type { Workspace } from '../replica/workspace.js'
import type { GradientOptions, Shard, ShardSource } from './gradient.js'
import {
  addOwnParts,
  gatherFactors,
  gatherSum,
  orderParts,
  reduceSum,
  type SentRound,
} from './parts.js'
import { allSettledOrThrow } from './settled.js'

/**
 * Attacks shards on many ranks: those of a round are dealt out, each rank attacks its own on its pool, and while the
 * next round is attacked the ranks send each other what came of this one. Every rank ends with all factors in the
 * window, in example order, and with the same dense sums.
 *
 * @throws on all ranks the error of the first that failed; STOPPED if one was asked to stop.
 */
export function dealExamples(
  pool: WorkerPool,
  { matrices, carried }: Workspace,
  dealing: Dealing,
  { step, batch, recipe, onShard }: GradientOptions,
): ShardSource {
  const { ranks, travels, compared } = dealing
  const points = pointsOf(recipe)
  const layout = { compared, carried: recipe.kind === 'free' ? carried!.cols : 0 }
  const started = performance.now()
  const replies: AttackReply[] = []
  const dealt: Shard[][] = Array.from({ length: ranks.size }, () => [])
  let attackSeconds = 0

  const attackOwn = async (shards: readonly Shard[], turn: number) => {
    const before = performance.now()
    const tasks = shards.map(({ index: _, count: __, ...range }, place) => {
      const staging = dealing.slotOf(turn, place)
      return pool.run({ kind: 'attack', step, recipe, batch, staging, ...range })
    })
    replies.push(...(await allSettledOrThrow(tasks)))
    attackSeconds += (performance.now() - before) / 1000
  }

  /** Sends what came of a round, once all ranks know that it came well. */
  const send = async (sent: SentRound, error: unknown) => {
    await ranks.together(() => {
      if (error !== undefined) throw error
    })
    const first = sent.shards[sent.round[0]!.start]!.index === 0
    for (const [index, m] of matrices.entries()) {
      const { means } = travels[index]!
      if (means === 'gather') await gatherFactors(dealing, m, sent, points)
      else if (means === 'order') await orderParts(dealing, m, sent)
      else addOwnParts(dealing, m, sent, first)
    }
  }

  return {
    async attack(shards) {
      let sending: Promise<void> = Promise.resolve()
      for (const [k, round] of dealRounds(shards.length, dealing.shares).entries()) {
        for (const [rank, { start, stop }] of round.entries())
          dealt[rank]!.push(...shards.slice(start, stop))
        const { start, stop } = round[ranks.rank]!
        const turn = k % 2
        // Both are waited for whatever happens: nothing may still write when this throws.
        const [attacked, before] = await Promise.all([
          settle(() => attackOwn(shards.slice(start, stop), turn)),
          settle(() => sending),
        ])
        if (before.error !== undefined) throw before.error
        const last = shards[round.at(-1)!.stop - 1]!
        onShard(last.index + 1, last.count)
        sending = send({ shards, round, turn }, attacked.error)
        sending.catch(() => {})
      }
      await sending
    },
    async finish() {
      for (const [index, m] of matrices.entries()) {
        if (travels[index]!.means === 'order') await gatherSum(dealing, m)
        if (travels[index]!.means === 'reduce') await reduceSum(dealing, m)
      }
      const wait = (performance.now() - started) / 1000 - attackSeconds
      const packed = packReplies(replies, [attackSeconds, wait])
      const counts = dealt.map(shards => packedLength(shards, layout))
      const all = await ranks.gatherNumbers(packed, counts)
      const unpacked = unpackReplies(all, dealt, layout)
      const examples = dealt.map(shards => shards.reduce((n, s) => n + s.stop - s.start, 0))
      const [attack, waits] = [0, 1].map(k => unpacked.extra.map(e => e[k]!))
      dealing.record({ attack: attack!, wait: waits! }, examples)
      return unpacked.replies
    },
  }
}
