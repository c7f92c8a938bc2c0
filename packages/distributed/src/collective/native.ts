import { SaddleError } from '@saddle/core'
import type { Handle } from './abi.js'
import type { Operation } from './checked.js'
import { classOf, type Exchanged } from './checks.js'
import type { Numbers } from './collective.js'
import type { MpiLibrary } from './library.js'

/**
 * Numbers of one native call at most, whose counts are ints of 32 bits: 1 GiB of float32, so that the bytes of a call
 * fit into an int of the library too. Fixed, because the cut could change the order of a sum.
 */
const MOST_AT_ONCE = 2 ** 28

/** Operations as calls of the library on MPI_COMM_WORLD, which other threads wait for. */
export class NativeOperations {
  readonly #mpi: MpiLibrary
  readonly #size: number
  readonly #mostAtOnce: number
  /** Arrays that native code is at: koffi does not keep them alive. */
  readonly #pinned = new Set<object>()

  constructor(mpi: MpiLibrary, size: number, mostAtOnce: number = MOST_AT_ONCE) {
    this.#mpi = mpi
    this.#size = size
    this.#mostAtOnce = mostAtOnce
  }

  /** @throws SaddleError RANGE for what can't be cut into several calls. */
  requireFits(operation: Operation): void {
    if (operation.name !== 'alltoallv') return
    const numbers = Math.max(operation.send.length, operation.receive.length)
    if (numbers <= this.#mostAtOnce) return
    throw new SaddleError(
      'RANGE',
      `alltoallv: expected at most ${this.#mostAtOnce} numbers, got ${numbers}. Send them in several calls.`,
      { numbers, most: this.#mostAtOnce },
    )
  }

  run(operation: Operation): Promise<void> {
    const { sum, max, world } = this.#mpi.abi
    switch (operation.name) {
      case 'allreduceSum':
        return this.#reduce(operation.values, sum)
      case 'allreduceMax':
        return this.#reduce(operation.values, max)
      case 'broadcast':
        return this.#send(operation.values, operation.root)
      case 'allgatherv':
        return operation.values.length <= this.#mostAtOnce
          ? this.#gather(operation.values, operation.counts)
          : this.#gatherInTurn(operation.values, operation.counts)
      case 'alltoallv':
        return this.#exchange(operation)
      case 'barrier':
        return this.#mpi.callAsync('MPI_Barrier', world)
    }
  }

  async #reduce(values: Numbers, how: Handle): Promise<void> {
    const { inPlace, world } = this.#mpi.abi
    for (const part of this.#cut(values)) {
      const args = [inPlace, part, part.length, this.#type(part), how, world]
      await this.#call('MPI_Allreduce', [part], args)
    }
  }

  async #send(values: Numbers, root: number): Promise<void> {
    for (const part of this.#cut(values)) {
      const args = [part, part.length, this.#type(part), root, this.#mpi.abi.world]
      await this.#call('MPI_Bcast', [part], args)
    }
  }

  #gather(all: Numbers, counts: readonly number[]): Promise<void> {
    const { inPlace, world } = this.#mpi.abi
    const [lengths, offsets] = [counts, offsetsOf(counts)].map(ints => Int32Array.from(ints))
    const type = this.#type(all)
    // In place, what is said of the send buffer is not looked at.
    const args = [inPlace, 0, type, all, lengths, offsets, type, world]
    return this.#call('MPI_Allgatherv', [all, lengths!, offsets!], args)
  }

  /** Offsets that don't fit into an int: each rank's part on its own. */
  async #gatherInTurn(all: Numbers, counts: readonly number[]): Promise<void> {
    const offsets = offsetsOf(counts)
    for (let root = 0; root < this.#size; root++)
      await this.#send(all.subarray(offsets[root]!, offsets[root]! + counts[root]!), root)
  }

  #exchange({ send, sendCounts, receive, receiveCounts }: Exchanged): Promise<void> {
    const [sent, received] = [sendCounts, receiveCounts].map(counts =>
      [counts, offsetsOf(counts)].map(ints => Int32Array.from(ints)),
    )
    const type = this.#type(send)
    const args = [send, ...sent!, type, receive, ...received!, type, this.#mpi.abi.world]
    return this.#call('MPI_Alltoallv', [send, receive, ...sent!, ...received!], args)
  }

  /** Keeps arrays alive until the call has ended. */
  async #call(
    name: 'MPI_Allreduce' | 'MPI_Bcast' | 'MPI_Allgatherv' | 'MPI_Alltoallv',
    arrays: readonly Numbers[],
    args: readonly unknown[],
  ): Promise<void> {
    for (const array of arrays) this.#pinned.add(array)
    try {
      await this.#mpi.callAsync(name, ...args)
    } finally {
      for (const array of arrays) this.#pinned.delete(array)
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
}

function offsetsOf(counts: readonly number[]): number[] {
  let offset = 0
  return counts.map(count => {
    const start = offset
    offset += count
    return start
  })
}
