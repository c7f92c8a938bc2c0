import { inspect } from 'node:util'
import { SaddleError } from '@saddle/core'
import { CheckedCollective, closedError, type Operation } from './checked.js'
import type { Numbers } from './collective.js'
import type { MpiLibrary } from './library.js'
import { NativeOperations } from './native.js'

/** Where this process stands in the job. */
export interface Place {
  readonly rank: number
  readonly size: number
  readonly localRank: number
}

/** A job of ranks joined up by MPI, on MPI_COMM_WORLD. */
export class MpiCollective extends CheckedCollective {
  readonly kind
  readonly rank: number
  readonly size: number
  readonly localRank: number
  readonly library: string
  readonly #mpi: MpiLibrary
  readonly #native: NativeOperations
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

  constructor(mpi: MpiLibrary, { rank, size, localRank }: Place, mostAtOnce?: number) {
    super()
    this.kind = mpi.family
    this.library = mpi.version
    this.rank = rank
    this.size = size
    this.localRank = localRank
    this.#mpi = mpi
    this.#native = new NativeOperations(mpi, size, mostAtOnce)
    process.on('uncaughtExceptionMonitor', this.#onUncaught)
    process.on('exit', this.#onExit)
  }

  /** Takes a place in the order of calls: the operation begins when all before it has ended, well or badly. */
  protected carry(operation: Operation): Promise<void> {
    this.#native.requireFits(operation)
    const { name } = operation
    if (this.#closing !== undefined) return Promise.reject(closedError(name))
    const values = arrayOf(operation)
    const length = values?.length
    const turn = this.#last.then(async () => {
      if (this.#failed !== undefined) throw this.#failed
      if (values?.length !== length)
        throw new SaddleError(
          'SHAPE',
          `${name}: the array of ${length} numbers was transferred or resized before its turn came; it has ` +
            `${values?.length} now.`,
          { operation: name, length, now: values?.length },
        )
      await this.#native.run(operation)
    })
    this.#last = turn.catch(error => {
      this.#failed ??= error
    })
    return turn
  }

  protected end(code: number): never {
    this.#stopWatching()
    if (!this.#finalised) this.#mpi.call('MPI_Abort', this.#mpi.abi.world, code)
    process.exit(code)
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave()
    return this.#closing
  }

  async #leave(): Promise<void> {
    // The barrier is waited for on another thread, so that this one goes on answering signals; what MPI_Finalize,
    // which must run on this one, then has to wait for is little.
    await this.#last.then(() => {
      if (this.#failed !== undefined) throw this.#failed
      return this.#native.run({ name: 'barrier' })
    })
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

/** The array that must be as long when its turn comes as it was when it was handed over. */
function arrayOf(operation: Operation): Numbers | null {
  if (operation.name === 'barrier') return null
  return operation.name === 'alltoallv' ? operation.send : operation.values
}
