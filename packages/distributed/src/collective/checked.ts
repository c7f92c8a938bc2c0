import { SaddleError } from '@saddle/core'
import {
  COMPARED,
  type Exchanged,
  requireCounts,
  requireExchange,
  requireExitCode,
  requireNumbers,
  requireRoot,
  SENT,
  SUMMED,
} from './checks.js'
import type { Collective, CollectiveKind, Numbers } from './collective.js'

/** What was called, with arguments that were found good, and counts that the caller can't change any more. */
export type Operation =
  | { readonly name: 'allreduceSum' | 'allreduceMax'; readonly values: Numbers }
  | { readonly name: 'broadcast'; readonly values: Numbers; readonly root: number }
  | { readonly name: 'allgatherv'; readonly values: Numbers; readonly counts: readonly number[] }
  | ({ readonly name: 'alltoallv' } & Exchanged)
  | { readonly name: 'barrier' }

/** A collective that looks at arguments before it begins: how it does what it is asked for is left to `carry`. */
export abstract class CheckedCollective implements Collective {
  abstract readonly kind: CollectiveKind
  abstract readonly rank: number
  abstract readonly size: number
  abstract readonly localRank: number
  abstract readonly library: string

  /** Takes its place in the order of calls before it returns. */
  protected abstract carry(operation: Operation): Promise<void>

  /** Ends the whole job with a code that is one. */
  protected abstract end(code: number): never

  abstract close(): Promise<void>

  async allreduceSum(values: Float32Array | Float64Array | Int32Array): Promise<void> {
    requireNumbers('allreduceSum', values, SUMMED)
    await this.carry({ name: 'allreduceSum', values })
  }

  async allreduceMax(values: Float64Array | Int32Array): Promise<void> {
    requireNumbers('allreduceMax', values, COMPARED)
    await this.carry({ name: 'allreduceMax', values })
  }

  async broadcast(values: Numbers, root: number): Promise<void> {
    requireNumbers('broadcast', values, SENT)
    requireRoot(root, this.size)
    await this.carry({ name: 'broadcast', values, root })
  }

  async allgatherv(values: Numbers, counts: readonly number[]): Promise<void> {
    requireNumbers('allgatherv', values, SENT)
    requireCounts(values.length, counts, this.size)
    await this.carry({ name: 'allgatherv', values, counts: [...counts] })
  }

  async alltoallv(
    send: Numbers,
    sendCounts: readonly number[],
    receive: Numbers,
    receiveCounts: readonly number[],
  ): Promise<void> {
    requireExchange({ send, sendCounts, receive, receiveCounts }, this.size)
    const counts = { sendCounts: [...sendCounts], receiveCounts: [...receiveCounts] }
    await this.carry({ name: 'alltoallv', send, receive, ...counts })
  }

  async barrier(): Promise<void> {
    await this.carry({ name: 'barrier' })
  }

  abort(code: number): never {
    requireExitCode(code)
    return this.end(code)
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
