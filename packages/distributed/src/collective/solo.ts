import { SaddleError } from '@saddle/core'
import {
  COMPARED,
  requireCounts,
  requireExchange,
  requireExitCode,
  requireNumbers,
  requireRoot,
  SENT,
  SUMMED,
} from './checks.js'
import type { Collective, Numbers } from './collective.js'

/** A job of one process, with nothing installed: sums of one term, checked as those of many. */
export class SoloCollective implements Collective {
  readonly kind = 'solo'
  readonly rank = 0
  readonly size = 1
  readonly localRank = 0
  readonly library = 'none'
  #closed = false

  async allreduceSum(values: Float32Array | Float64Array | Int32Array): Promise<void> {
    this.#requireOpen('allreduceSum')
    requireNumbers('allreduceSum', values, SUMMED)
  }

  async allreduceMax(values: Float64Array | Int32Array): Promise<void> {
    this.#requireOpen('allreduceMax')
    requireNumbers('allreduceMax', values, COMPARED)
  }

  async broadcast(values: Numbers, root: number): Promise<void> {
    this.#requireOpen('broadcast')
    requireNumbers('broadcast', values, SENT)
    requireRoot(root, 1)
  }

  async allgatherv(all: Numbers, counts: readonly number[]): Promise<void> {
    this.#requireOpen('allgatherv')
    requireNumbers('allgatherv', all, SENT)
    requireCounts(all.length, counts, 1)
  }

  async alltoallv(
    send: Numbers,
    sendCounts: readonly number[],
    receive: Numbers,
    receiveCounts: readonly number[],
  ): Promise<void> {
    this.#requireOpen('alltoallv')
    requireExchange({ send, sendCounts, receive, receiveCounts }, 1)
    receive.set(send)
  }

  async barrier(): Promise<void> {
    this.#requireOpen('barrier')
  }

  abort(code: number): never {
    requireExitCode(code)
    process.exit(code)
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #requireOpen(operation: string): void {
    if (this.#closed) throw closedError(operation)
  }
}

/** What is thrown after `close`. */
export function closedError(operation: string): SaddleError {
  return new SaddleError(
    'COLLECTIVE',
    `${operation}: the collective was closed, and a process can't take part in its job again.`,
    { operation },
  )
}
