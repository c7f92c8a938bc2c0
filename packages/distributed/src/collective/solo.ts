import { CheckedCollective, closedError, type Operation } from './checked.js'

/** A job of one process, with nothing installed: sums of one term, checked as those of many. */
export class SoloCollective extends CheckedCollective {
  readonly kind = 'solo'
  readonly rank = 0
  readonly size = 1
  readonly localRank = 0
  readonly library = 'none'
  #closed = false

  protected async carry(operation: Operation): Promise<void> {
    if (this.#closed) throw closedError(operation.name)
    if (operation.name === 'alltoallv') operation.receive.set(operation.send)
  }

  protected end(code: number): never {
    process.exit(code)
  }

  async close(): Promise<void> {
    this.#closed = true
  }
}
