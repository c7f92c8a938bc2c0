import type { AttackSpec } from '@saddle/attacks'
import { rowBlocks } from '@saddle/core'
import type { AttackReply, WindowShard } from '../pool/messages.js'
import type { WorkerPool } from '../pool/pool.js'
import { shardsOf } from '../replica/shards.js'
import type { Workspace } from '../replica/workspace.js'

export interface GradientOptions {
  readonly step: number
  /** Examples in the batch; the first `batch` entries of `workspace.order`. */
  readonly batch: number
  readonly shard: number
  readonly attack: AttackSpec
  readonly onShard: (done: number, total: number) => void
}

export interface BatchGradient {
  /** One reply a shard, in example order. */
  readonly replies: readonly AttackReply[]
  /** The chunks of shards whose factors lie in the window, for matrices that have no dense sum. */
  readonly window: readonly WindowShard[]
}

/**
 * ∇L_A(W_t) over the batch: shards go to the workers window by window; what has to be summed densely is summed
 * here, in example order, whatever the order in which shards come back.
 */
export async function batchGradient(
  pool: WorkerPool,
  workspace: Workspace,
  options: GradientOptions,
): Promise<BatchGradient> {
  const { step, batch, shard, attack, onShard } = options
  const shards = shardsOf(batch, shard)
  const staging = new Rota(pool.size + 1)
  const replies: AttackReply[] = []
  let window: WindowShard[] = []
  let done = 0
  let windowIndex = 0
  for (let first = 0; first < batch; first += workspace.windowExamples, windowIndex++) {
    const inWindow = shards.filter(
      s => s.start >= first && s.start < first + workspace.windowExamples,
    )
    window = inWindow.flatMap(s =>
      shardsOf(s.stop - s.start, workspace.chunk).map(chunk => ({
        offset: s.start - first + chunk.start,
        count: chunk.stop - chunk.start,
      })),
    )
    let previous: Promise<void> = Promise.resolve()
    let failed = false
    const jobs = inWindow.map(async (s, index) => {
      const ticket = await staging.take()
      const turn = previous
      const work = async () => {
        try {
          if (failed) return
          const reply = await pool.run({
            kind: 'attack',
            step,
            attack,
            start: s.start,
            stop: s.stop,
            batch,
            offset: s.start - first,
            staging: ticket,
          })
          onShard(++done, shards.length)
          // Shards come back in any order and are summed in theirs.
          await turn
          replies.push(reply)
          for (const m of workspace.matrices)
            if (m.form === 'dense')
              fold(m.sum!, m.staging[ticket]!, windowIndex === 0 && index === 0)
        } catch (error) {
          failed = true
          throw error
        } finally {
          staging.give(ticket)
        }
      }
      const job = work()
      previous = job.catch(() => {})
      await job
    })
    await allSettledOrThrow(jobs)
    await combineWindow(pool, workspace, window, windowIndex === 0)
  }
  return { replies, window }
}

/** Adds a window's factors to the dense sums of matrices whose factors need more than one window. */
async function combineWindow(
  pool: WorkerPool,
  workspace: Workspace,
  shards: readonly WindowShard[],
  isFirst: boolean,
): Promise<void> {
  for (const [matrix, m] of workspace.matrices.entries()) {
    if (m.form === 'dense' || m.sum === null) continue
    const tasks = rowBlocks(m.rows, m.cols).map(rows =>
      pool.run({ kind: 'combine', matrix, ...rows, shards }),
    )
    await allSettledOrThrow(tasks)
    fold(m.sum, m.staging[0]!, isFirst)
  }
}

/** sum ← part, or sum ← sum + part. */
function fold(sum: Float32Array, part: Float32Array, isFirst: boolean): void {
  if (isFirst) {
    sum.set(part)
    return
  }
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + part[i]!
}

/** Waits for all, then throws the first failure: nothing may still write when the caller goes on. */
export async function allSettledOrThrow<T>(jobs: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(jobs)
  return outcomes.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
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
