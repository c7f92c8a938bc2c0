import type { AttackReply } from '../pool/messages.js'
import type { WorkerPool } from '../pool/pool.js'
import type { Workspace } from '../replica/workspace.js'
import type { GradientOptions, Shard } from './gradient.js'
import { allSettledOrThrow } from './settled.js'
import { addTo } from './sums.js'

/** Shards under way at once, for each worker, where gradients travel as factors. */
const AHEAD = 4

/**
 * Attacks shards by giving each to the next free worker. Dense gradients are added up here, in example order,
 * whatever the order in which shards come back.
 */
export function splitExamples(
  pool: WorkerPool,
  { matrices }: Workspace,
  { step, batch, recipe, onShard }: GradientOptions,
): (shards: readonly Shard[]) => Promise<AttackReply[]> {
  const dense = matrices.filter(({ form }) => form === 'dense')
  // Factors have a place for every shard; tickets then only bound what is begun after a failure.
  const staging = new Rota(dense[0]?.staging.length ?? AHEAD * pool.size)
  let done = 0
  return async shards => {
    let later = shards.length
    let previous: Promise<void> = Promise.resolve()
    let failed = false
    const attackShard = async ({ index, count, ...shard }: Shard, turn: Promise<void>) => {
      const ticket = await staging.take()
      later--
      try {
        if (failed) return null
        const task = { step, recipe, batch, staging: ticket, ...shard }
        const reply = await pool.run({ kind: 'attack', ...task }, later)
        onShard(++done, count)
        // Shards come back in any order and are summed in theirs.
        if (dense.length > 0) await turn
        for (const m of dense) addTo(m.sum!, m.staging[ticket]!, index === 0)
        return reply
      } catch (error) {
        failed = true
        throw error
      } finally {
        staging.give(ticket)
      }
    }
    const jobs = shards.map(shard => {
      const job = attackShard(shard, previous)
      previous = job.then(
        () => {},
        () => {},
      )
      return job
    })
    return (await allSettledOrThrow(jobs)).filter(reply => reply !== null)
  }
}

/** Numbers 0..size−1 handed out first come, first served. */
class Rota {
  readonly #free: number[]
  readonly #waiting: ((ticket: number) => void)[] = []

  constructor(size: number) {
    this.#free = Array.from({ length: size }, (_, i) => i)
  }

  take(): Promise<number> {
    const ticket = this.#free.shift()
    if (ticket !== undefined) return Promise.resolve(ticket)
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  give(ticket: number): void {
    const next = this.#waiting.shift()
    if (next !== undefined) next(ticket)
    else this.#free.push(ticket)
  }
}
