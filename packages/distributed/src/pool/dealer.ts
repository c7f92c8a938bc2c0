import { deal, type Hand } from './deal.js'
import type { Task } from './messages.js'
import { Paces, unitsOf } from './paces.js'

/** Milliseconds after which a task that waits for a busy worker is looked at again, at the earliest. */
const SOONEST = 10

export interface DealerOptions {
  /** Threads that there should be. */
  readonly size: number
  /** Has a worker thread do a task; a number below 0 stands for one that is still to come up. */
  readonly start: (thread: number, task: Task) => Promise<unknown>
  /** The device that a thread holds; null before its first task. */
  readonly deviceOf: (thread: number) => string | null
}

interface Waiting {
  readonly task: Task
  readonly later: number
  readonly resolve: (value: Promise<unknown>) => void
  readonly reject: (reason: Error) => void
}

/**
 * Deals tasks to worker threads by `deal`, with the paces measured so far. Threads come and go; a task whose thread was
 * lost rejects, and is its caller's to deal again.
 */
export class Dealer {
  readonly #options: DealerOptions
  readonly #paces = new Paces()
  readonly #threads = new Set<number>()
  readonly #running = new Map<number, { readonly task: Task; readonly since: number }>()
  #waiting: Waiting[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(options: DealerOptions) {
    this.#options = options
  }

  /** @param later tasks of this kind that are still to come, beyond those that wait. */
  run(task: Task, later = 0): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, later, resolve, reject })
      this.#schedule()
    })
  }

  join(thread: number): void {
    this.#threads.add(thread)
    this.#schedule()
  }

  leave(thread: number): void {
    this.#threads.delete(thread)
    this.#paces.forget(thread)
    this.#schedule()
  }

  /** Rejects everything that waits. */
  close(reason: Error): void {
    clearTimeout(this.#timer)
    for (const { reject } of this.#waiting) reject(reason)
    this.#waiting = []
  }

  #scheduled = false

  /** Deals once, when everything that happens at this moment has happened: tasks come in groups. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#deal()
    })
  }

  #deal(): void {
    clearTimeout(this.#timer)
    const first = this.#waiting[0]
    if (first === undefined) return
    const now = performance.now()
    const missing = Math.max(0, this.#options.size - this.#threads.size)
    const threads = [...this.#threads, ...Array.from({ length: missing }, (_, i) => -1 - i)]
    const hands = threads.map(thread => this.#hand(thread, first.task, now))
    const deals = deal(
      hands,
      this.#waiting.map(({ task }) => unitsOf(task)),
      this.#waiting.at(-1)!.later,
    )
    const dealt = new Set(deals.map(({ task }) => task))
    const begun = deals.map(({ hand, task }) => ({
      thread: threads[hand]!,
      ...this.#waiting[task]!,
    }))
    this.#waiting = this.#waiting.filter((_, task) => !dealt.has(task))
    for (const { thread, task, resolve } of begun) resolve(this.#begin(thread, task))
    if (this.#waiting.length > 0) this.#lookAgain(threads, hands, first.task)
  }

  #hand(thread: number, task: Task, now: number): Hand {
    const { deviceOf } = this.#options
    const device = deviceOf(thread)
    const pace = this.#paces.of(device, task)
    const at = this.#running.get(thread)
    if (at === undefined) return { busy: 0, pace }
    const expected = unitsOf(at.task) * this.#paces.of(device, at.task)
    const elapsed = (now - at.since) / 1000
    // One that is late may be as late again: somebody slower takes what waits for it in the end.
    return { busy: Math.max(Math.abs(expected - elapsed), Number.MIN_VALUE), pace }
  }

  async #begin(thread: number, task: Task): Promise<unknown> {
    const since = performance.now()
    this.#running.set(thread, { task, since })
    try {
      const value = await this.#options.start(thread, task)
      const seconds = (performance.now() - since) / 1000
      this.#paces.measured(thread, this.#options.deviceOf(thread), task, seconds)
      return value
    } finally {
      this.#running.delete(thread)
      this.#schedule()
    }
  }

  /** Free workers that were passed over get their chance if those that were waited for are late. */
  #lookAgain(threads: readonly number[], hands: readonly Hand[], task: Task): void {
    const free = threads.filter(thread => !this.#running.has(thread))
    if (free.length === 0) return
    for (const thread of free) this.#paces.passedOver(this.#options.deviceOf(thread), task)
    const busy = hands.filter(({ busy }) => busy > 0).map(({ busy }) => busy)
    const soon = Math.max(SOONEST, 1000 * Math.min(...busy, 1))
    this.#timer = setTimeout(() => this.#deal(), soon)
  }
}
