import { inspect } from 'node:util'
import { SaddleError } from '@saddle/core'
import type { Handle } from './abi.js'
import {
  COMPARED,
  classOf,
  type Exchanged,
  requireCounts,
  requireExchange,
  requireExitCode,
  requireNumbers,
  requireRoot,
  SENT,
  SUMMED,
} from './checks.js'
import type { Collective, Numbers } from './collective.js'
import type { MpiLibrary } from './library.js'
import { closedError } from './solo.js'

/** Where this process stands in the job. */
export interface Place {
  readonly rank: number
  readonly size: number
  readonly localRank: number
}

/**
 * Numbers of one native call at most, whose counts are ints of 32 bits: 1 GiB of float32, so that the bytes of a call
 * fit into an int of the library too. Fixed, because the cut could change the order of a sum.
 */
const MOST_AT_ONCE = 2 ** 28

/** A job of ranks joined up by MPI, on MPI_COMM_WORLD. */
export class MpiCollective implements Collective {
  readonly kind
  readonly rank: number
  readonly size: number
  readonly localRank: number
  readonly library: string
  readonly #mpi: MpiLibrary
  readonly #mostAtOnce: number
  /** Arrays that native code is at: koffi does not keep them alive. */
  readonly #pinned = new Set<object>()
  /** Settled when all that was called has ended. */
  #last: Promise<void> = Promise.resolve()
  #failed: unknown
  #closing: Promise<void> | undefined
  #finalised = false
  #uncaught: unknown
  readonly #onUncaught = (error: unknown) => {
    this.#uncaught = error
  }
  readonly #onExit = (code: number) => this.#abandon(code)

  constructor(
    mpi: MpiLibrary,
    { rank, size, localRank }: Place,
    mostAtOnce: number = MOST_AT_ONCE,
  ) {
    this.kind = mpi.family
    this.library = mpi.version
    this.rank = rank
    this.size = size
    this.localRank = localRank
    this.#mpi = mpi
    this.#mostAtOnce = mostAtOnce
    process.on('uncaughtExceptionMonitor', this.#onUncaught)
    process.on('exit', this.#onExit)
  }

  async allreduceSum(values: Float32Array | Float64Array | Int32Array): Promise<void> {
    requireNumbers('allreduceSum', values, SUMMED)
    await this.#reduce('allreduceSum', values, this.#mpi.abi.sum)
  }

  async allreduceMax(values: Float64Array | Int32Array): Promise<void> {
    requireNumbers('allreduceMax', values, COMPARED)
    await this.#reduce('allreduceMax', values, this.#mpi.abi.max)
  }

  async broadcast(values: Numbers, root: number): Promise<void> {
    requireNumbers('broadcast', values, SENT)
    requireRoot(root, this.size)
    await this.#queue('broadcast', values, () => this.#send(values, root))
  }

  async allgatherv(all: Numbers, counts: readonly number[]): Promise<void> {
    requireNumbers('allgatherv', all, SENT)
    requireCounts(all.length, counts, this.size)
    const parts = [...counts]
    await this.#queue('allgatherv', all, () =>
      all.length <= this.#mostAtOnce ? this.#gather(all, parts) : this.#gatherInTurn(all, parts),
    )
  }

  async alltoallv(
    send: Numbers,
    sendCounts: readonly number[],
    receive: Numbers,
    receiveCounts: readonly number[],
  ): Promise<void> {
    requireExchange({ send, sendCounts, receive, receiveCounts }, this.size)
    const parts = { send, sendCounts: [...sendCounts], receive, receiveCounts: [...receiveCounts] }
    const numbers = Math.max(send.length, receive.length)
    if (numbers > this.#mostAtOnce)
      throw new SaddleError(
        'RANGE',
        `alltoallv: expected at most ${this.#mostAtOnce} numbers, got ${numbers}. Send them in several calls.`,
        { numbers, most: this.#mostAtOnce },
      )
    await this.#queue('alltoallv', send, () => this.#exchange(parts))
  }

  async barrier(): Promise<void> {
    await this.#queue('barrier', new Uint8Array(0), () => this.#barrier())
  }

  abort(code: number): never {
    requireExitCode(code)
    this.#stopWatching()
    if (!this.#finalised) this.#mpi.call('MPI_Abort', this.#mpi.abi.world, code)
    process.exit(code)
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave()
    return this.#closing
  }

  #reduce(operation: string, values: Numbers, how: Handle): Promise<void> {
    const { abi } = this.#mpi
    return this.#queue(operation, values, async () => {
      for (const part of this.#cut(values))
        await this.#native(
          'MPI_Allreduce',
          part,
          abi.inPlace,
          part,
          part.length,
          this.#type(part),
          how,
          abi.world,
        )
    })
  }

  async #send(values: Numbers, root: number): Promise<void> {
    for (const part of this.#cut(values))
      await this.#native(
        'MPI_Bcast',
        part,
        part,
        part.length,
        this.#type(part),
        root,
        this.#mpi.abi.world,
      )
  }

  async #gather(all: Numbers, counts: readonly number[]): Promise<void> {
    const { abi } = this.#mpi
    const lengths = Int32Array.from(counts)
    const offsets = Int32Array.from(offsetsOf(counts))
    const type = this.#type(all)
    this.#pinned.add(lengths).add(offsets)
    try {
      // In place, what is said of the send buffer is not looked at.
      await this.#native(
        'MPI_Allgatherv',
        all,
        abi.inPlace,
        0,
        type,
        all,
        lengths,
        offsets,
        type,
        abi.world,
      )
    } finally {
      this.#pinned.delete(lengths)
      this.#pinned.delete(offsets)
    }
  }

  async #exchange({ send, sendCounts, receive, receiveCounts }: Exchanged): Promise<void> {
    const ints = [sendCounts, receiveCounts].flatMap(counts => [
      Int32Array.from(counts),
      Int32Array.from(offsetsOf(counts)),
    ])
    const kept = [send, receive, ...ints]
    for (const array of kept) this.#pinned.add(array)
    try {
      const type = this.#type(send)
      const [counts, offsets, countsIn, offsetsIn] = ints
      await this.#mpi.callAsync(
        'MPI_Alltoallv',
        send,
        counts,
        offsets,
        type,
        receive,
        countsIn,
        offsetsIn,
        type,
        this.#mpi.abi.world,
      )
    } finally {
      for (const array of kept) this.#pinned.delete(array)
    }
  }

  /** Offsets that don't fit into an int: each rank's part on its own. */
  async #gatherInTurn(all: Numbers, counts: readonly number[]): Promise<void> {
    const offsets = offsetsOf(counts)
    for (let root = 0; root < this.size; root++)
      await this.#send(all.subarray(offsets[root]!, offsets[root]! + counts[root]!), root)
  }

  #barrier(): Promise<void> {
    return this.#mpi.callAsync('MPI_Barrier', this.#mpi.abi.world)
  }

  async #native(
    name: 'MPI_Allreduce' | 'MPI_Bcast' | 'MPI_Allgatherv',
    array: Numbers,
    ...args: unknown[]
  ): Promise<void> {
    this.#pinned.add(array)
    try {
      await this.#mpi.callAsync(name, ...args)
    } finally {
      this.#pinned.delete(array)
    }
  }

  /** Pieces of the most numbers a call takes; none of an empty array, which needs no call. */
  *#cut(values: Numbers): Generator<Numbers> {
    for (let start = 0; start < values.length; start += this.#mostAtOnce)
      yield values.subarray(start, Math.min(values.length, start + this.#mostAtOnce))
  }

  #type(values: Numbers): Handle {
    return this.#mpi.abi.types[classOf(values) as keyof MpiLibrary['abi']['types']]
  }

  /** Takes a place in the order of calls: `work` begins when all before it has ended, well or badly. */
  #queue(operation: string, values: Numbers, work: () => Promise<void>): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError(operation))
    const { length } = values
    const turn = this.#last.then(async () => {
      if (this.#failed !== undefined) throw this.#failed
      if (values.length !== length)
        throw new SaddleError(
          'SHAPE',
          `${operation}: the array of ${length} numbers was transferred or resized before its turn came; it has ` +
            `${values.length} now.`,
          { operation, length, now: values.length },
        )
      await work()
    })
    this.#last = turn.catch(error => {
      this.#failed ??= error
    })
    return turn
  }

  async #leave(): Promise<void> {
    // The barrier is waited for on another thread, so that this one goes on answering signals; what MPI_Finalize,
    // which must run on this one, then has to wait for is little.
    const turn = this.#last.then(() => {
      if (this.#failed !== undefined) throw this.#failed
      return this.#barrier()
    })
    await turn
    this.#stopWatching()
    this.#finalised = true
    this.#mpi.call('MPI_Finalize')
  }

  #stopWatching(): void {
    process.off('uncaughtExceptionMonitor', this.#onUncaught)
    process.off('exit', this.#onExit)
  }

  /** The process ends and other ranks don't know it. MPI_Abort doesn't return, and so Node would print no error. */
  #abandon(code: number): void {
    if (this.#uncaught !== undefined) process.stderr.write(`${inspect(this.#uncaught)}\n`)
    process.stderr.write(
      `saddle: rank ${this.rank} of ${this.size} ends (exit code ${code}) without having closed its collective; ` +
        'the whole job is ended.\n',
    )
    this.#mpi.call('MPI_Abort', this.#mpi.abi.world, code === 0 ? 1 : code)
  }
}

function offsetsOf(counts: readonly number[]): number[] {
  let offset = 0
  return counts.map(count => {
    const start = offset
    offset += count
    return start
  })
}
