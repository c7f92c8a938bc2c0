import type { Host, LaneProcess } from '../pool/messages.js'

/**
 * Joins what workers say of their shards into one number for a progress bar: shards finished plus the parts done
 * of those in work.
 */
export class ShardProgress implements Host {
  readonly #parts = new Map<number, number>()
  readonly #emit: (step: number, done: number, total: number) => void
  readonly #onReady: Host['ready']
  #step = 0
  #finished = 0
  #total = 0

  constructor(emit: (step: number, done: number, total: number) => void, onReady: Host['ready']) {
    this.#emit = emit
    this.#onReady = onReady
  }

  ready(slot: number, device: string, lane: LaneProcess | null): void {
    this.#onReady(slot, device, lane)
  }

  progress(slot: number, done: number, total: number): void {
    this.#parts.set(slot, done >= total ? 0 : done / total)
    if (this.#total > 0) this.#send()
  }

  /** A shard of `step` is finished: `done` of `total`. */
  shard(step: number, done: number, total: number): void {
    this.#step = step
    this.#finished = done
    this.#total = done === total ? 0 : total
    if (done === total) this.#emit(step, total, total)
    else this.#send()
  }

  #send(): void {
    const parts = [...this.#parts.values()].reduce((a, b) => a + b, 0)
    this.#emit(this.#step, Math.min(this.#total, this.#finished + parts), this.#total)
  }
}
