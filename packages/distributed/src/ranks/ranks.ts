import { hostname } from 'node:os'
import { SaddleError } from '@saddle/core'
import type { Collective } from '../collective/collective.js'
import { SoloCollective } from '../collective/solo.js'
import { Counted } from './counted.js'
import { textToWire, wireToError } from './wire.js'

/** What came of a rank's own work: nothing to say, a request to stop, or what it failed with. */
export interface Outcome {
  readonly error?: unknown
  readonly stop?: boolean
}

/** Status words; a failure of rank r is `FAILED + size − 1 − r`, so that the largest is that of the first rank. */
const WORD = { well: 0, stop: 1, failed: 2 } as const

/** Errors that all ranks threw together: nobody has to be told of them any more. */
const shared = new WeakSet<object>()

/** Whether all ranks know of this error. */
export function isShared(error: unknown): boolean {
  return typeof error === 'object' && error !== null && shared.has(error)
}

/**
 * The processes of a job that train one network together, and how they come to the same decision.
 *
 * Every rank must reach the same calls in the same order. Work that can fail on one rank alone is done inside
 * `together` or `fromFirst`, or its outcome handed to `agree`: all ranks then throw the same error, that of the
 * first rank that failed, and none is left waiting.
 */
export class Ranks {
  readonly collective: Counted

  constructor(collective: Collective) {
    this.collective = new Counted(collective)
  }

  get rank(): number {
    return this.collective.rank
  }

  get size(): number {
    return this.collective.size
  }

  /** Whether this is rank 0, which writes what is written once. */
  get isFirst(): boolean {
    return this.collective.rank === 0
  }

  /**
   * Tells all ranks what came of this rank's work; costs one all-reduce of a word.
   *
   * @returns whether any rank asks to stop
   * @throws the error of the first rank that failed, on all ranks
   */
  async agree({ error, stop = false }: Outcome): Promise<boolean> {
    const { rank, size, collective } = this
    const stopped = error instanceof SaddleError && error.code === 'STOPPED'
    if (isShared(error)) {
      if (stopped) return true
      throw error
    }
    if (size === 1) {
      if (error !== undefined && !stopped) throw share(error)
      return stop || stopped
    }
    const own =
      error !== undefined && !stopped
        ? WORD.failed + size - 1 - rank
        : stop || stopped
          ? WORD.stop
          : WORD.well
    const word = Int32Array.of(own)
    await collective.allreduceMax(word)
    if (word[0]! < WORD.failed) return word[0] === WORD.stop
    const failed = WORD.failed + size - 1 - word[0]!
    const text = await this.#textOf(failed, () => textToWire(error, this.#place(size)))
    throw share(failed === rank ? error : wireToError(text))
  }

  /**
   * Does work on every rank.
   *
   * @throws the error of the first rank whose work failed, on all ranks; STOPPED if one was asked to stop in it
   */
  async together<T>(work: () => T | Promise<T>): Promise<T> {
    const { value, error } = await settle(work)
    if (await this.agree({ error })) throw share(stoppedError(error))
    return value as T
  }

  /** Does work on rank 0 only, whose result, plain JSON, all ranks get; they throw what it throws. */
  async fromFirst<T>(work: () => T | Promise<T>): Promise<T> {
    const value = await this.together(() => (this.isFirst ? work() : undefined))
    if (this.size === 1) return value as T
    const text = await this.#textOf(0, () => JSON.stringify(value ?? null))
    return this.isFirst ? (value as T) : (JSON.parse(text) as T)
  }

  /** One text of every rank, by rank. */
  async gatherTexts(text: string): Promise<string[]> {
    const { rank, size, collective } = this
    const own = Buffer.from(text)
    const lengths = new Int32Array(size)
    lengths[rank] = own.length
    await collective.allgatherv(lengths, ones(size))
    const starts = startsOf(lengths)
    const all = new Uint8Array(starts.at(-1)!)
    all.set(own, starts[rank]!)
    await collective.allgatherv(all, [...lengths])
    return Array.from(lengths, (length, r) =>
      Buffer.from(all.buffer, starts[r]!, length).toString('utf8'),
    )
  }

  /**
   * This rank among those of its machine, which give the same host name: how many they are (`here`), how many of them say
   * the same as this one (`count`), and which of those it is (`index`).
   */
  async placeHere(
    says: string,
  ): Promise<{ readonly here: number; readonly count: number; readonly index: number }> {
    const host = JSON.stringify(hostname())
    const own = `${host} ${says}`
    const all = await this.gatherTexts(own)
    return {
      here: all.filter(text => text.startsWith(`${host} `)).length,
      count: all.filter(text => text === own).length,
      index: all.slice(0, this.rank).filter(text => text === own).length,
    }
  }

  /** The same of numbers: `counts[r]` of rank r, in the order of ranks. */
  async gatherNumbers(own: Float64Array, counts: readonly number[]): Promise<Float64Array> {
    const starts = startsOf(counts)
    const all = new Float64Array(starts.at(-1)!)
    all.set(own, starts[this.rank]!)
    await this.collective.allgatherv(all, counts)
    return all
  }

  /** Takes leave of the others; on all ranks, when all is done or all know that it failed. */
  close(): Promise<void> {
    return this.collective.close()
  }

  /** `rank 1 of 3 on h2`, for people. */
  #place(size: number): string {
    return `rank ${this.rank} of ${size} on ${hostname()}`
  }

  /** A text that rank `root` has, on every rank. */
  async #textOf(root: number, make: () => string): Promise<string> {
    const own = Buffer.from(this.rank === root ? make() : '')
    const length = Int32Array.of(own.length)
    await this.collective.broadcast(length, root)
    const bytes = new Uint8Array(length[0]!)
    if (this.rank === root) bytes.set(own)
    await this.collective.broadcast(bytes, root)
    return Buffer.from(bytes.buffer).toString('utf8')
  }
}

/** The ranks of a job of one process. */
export function alone(): Ranks {
  return new Ranks(new SoloCollective())
}

/** One number of every rank: counts of a gather. */
export function ones(size: number): number[] {
  return Array.from({ length: size }, () => 1)
}

/** Where each of consecutive parts begins, and where the last ends. */
export function startsOf(counts: ArrayLike<number>): number[] {
  const starts = [0]
  for (let i = 0; i < counts.length; i++) starts.push(starts[i]! + counts[i]!)
  return starts
}

/** What work came to, whether it succeeded or not. */
export async function settle<T>(
  work: () => T | Promise<T>,
): Promise<{ readonly value?: T; readonly error?: unknown }> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error: error ?? new Error('failed without a reason') }
  }
}

function stoppedError(error: unknown): SaddleError {
  return error instanceof SaddleError && error.code === 'STOPPED'
    ? error
    : new SaddleError('STOPPED', 'Another rank was asked to stop.')
}

function share<T>(error: T): T {
  if (typeof error === 'object' && error !== null) shared.add(error)
  return error
}
