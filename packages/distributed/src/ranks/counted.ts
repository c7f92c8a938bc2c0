import type { Collective, Numbers } from '../collective/collective.js'

/** What went through a collective so far. */
export interface Traffic {
  /** Bytes that this rank sent, by what ring algorithms send. */
  readonly bytes: number
  /** How many of them were text and other bytes, whose number may differ from run to run. */
  readonly text: number
  /** Seconds during which an operation was under way. */
  readonly seconds: number
}

/**
 * A collective that counts: bytes sent by this rank as ring algorithms send them, for P ranks and b bytes
 *
 *   all-reduce   2 b (P − 1)/P,    all-gather, broadcast, all-to-all   b (P − 1)/P,
 *
 * and the time that operations took, each from its start, when the one before it had ended.
 */
export class Counted implements Collective {
  readonly #inner: Collective
  #bytes = 0
  #text = 0
  #seconds = 0
  #tail: Promise<unknown> = Promise.resolve()
  /** When the operation under way began, as `performance.now`; null while there is none. */
  waitingSince: number | null = null

  constructor(inner: Collective) {
    this.#inner = inner
  }

  get kind() {
    return this.#inner.kind
  }
  get rank() {
    return this.#inner.rank
  }
  get size() {
    return this.#inner.size
  }
  get localRank() {
    return this.#inner.localRank
  }
  get library() {
    return this.#inner.library
  }
  get traffic(): Traffic {
    return { bytes: this.#bytes, text: this.#text, seconds: this.#seconds }
  }

  allreduceSum(values: Float32Array | Float64Array | Int32Array): Promise<void> {
    return this.#timed(2 * values.byteLength, () => this.#inner.allreduceSum(values))
  }

  allreduceMax(values: Float64Array | Int32Array): Promise<void> {
    return this.#timed(2 * values.byteLength, () => this.#inner.allreduceMax(values))
  }

  broadcast(values: Numbers, root: number): Promise<void> {
    return this.#timed(values.byteLength, () => this.#inner.broadcast(values, root), values)
  }

  allgatherv(all: Numbers, counts: readonly number[]): Promise<void> {
    return this.#timed(all.byteLength, () => this.#inner.allgatherv(all, counts), all)
  }

  alltoallv(
    send: Numbers,
    sendCounts: readonly number[],
    receive: Numbers,
    receiveCounts: readonly number[],
  ): Promise<void> {
    return this.#timed(
      send.byteLength,
      () => this.#inner.alltoallv(send, sendCounts, receive, receiveCounts),
      send,
    )
  }

  barrier(): Promise<void> {
    return this.#timed(0, () => this.#inner.barrier())
  }

  abort(code: number): never {
    return this.#inner.abort(code)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #timed(bytes: number, operation: () => Promise<void>, sent?: Numbers): Promise<void> {
    const counted = (bytes * (this.size - 1)) / this.size
    this.#bytes += counted
    if (sent instanceof Uint8Array) this.#text += counted
    const run = this.#tail.then(async () => {
      const started = performance.now()
      this.waitingSince = started
      try {
        await operation()
      } finally {
        this.waitingSince = null
        this.#seconds += (performance.now() - started) / 1000
      }
    })
    this.#tail = run.catch(() => {})
    return run
  }
}
