import { apportion } from './deal.js'
import type { Ranks } from './ranks.js'
import type { Travel } from './travel.js'

export interface DealingOptions {
  readonly ranks: Ranks
  /** Workers of each rank. */
  readonly workers: readonly number[]
  readonly deal: 'even' | 'measured'
  readonly travels: readonly Travel[]
  /** Whether replies compare with W† of the regret monitor. */
  readonly compared: boolean
}

/** Steps whose times decide the shares; the first is left out, because programs warm up in it. */
const MEASURED_STEPS = 3
/** A measured round is longer than an even one, so that shares can be told apart. */
const MEASURED_ROUND = 2

/** Seconds of a step on each rank: attacking, and waiting for what the ranks send each other beyond that. */
export interface RankTimes {
  readonly attack: readonly number[]
  readonly wait: readonly number[]
}

/** How shards are dealt to the ranks of a run, and what that was found to cost. */
export class Dealing {
  readonly ranks: Ranks
  readonly travels: readonly Travel[]
  readonly compared: boolean
  /** Shards of a round that this rank ever gets, at most. */
  readonly mostOwn: number
  #shares: readonly number[]
  #times: RankTimes = { attack: [], wait: [] }
  readonly #options: DealingOptions
  readonly #most: readonly number[]
  readonly #spent: number[]
  readonly #done: number[]
  #steps = 0

  constructor(options: DealingOptions) {
    this.#options = options
    this.ranks = options.ranks
    this.travels = options.travels
    this.compared = options.compared
    this.#shares = options.workers
    this.#most =
      options.deal === 'even'
        ? options.workers
        : options.workers.map(workers => 2 * MEASURED_ROUND * workers)
    this.mostOwn = this.#most[this.ranks.rank]!
    this.#spent = options.workers.map(() => 0)
    this.#done = options.workers.map(() => 0)
  }

  /** Shards of a round, by rank: as many as a rank has workers, or by the speeds that were measured. */
  get shares(): readonly number[] {
    return this.#shares
  }

  /** Of the last step. */
  get times(): RankTimes {
    return this.#times
  }

  /** Buffers for dense gradients of shards: those of one round are sent while the next round's are written. */
  get staging(): number {
    return 2 * this.mostOwn
  }

  slotOf(turn: number, place: number): number {
    return turn * this.mostOwn + place
  }

  /** Takes what a step cost on each rank; equal on all ranks, so that all deal the next step alike. */
  record(times: RankTimes, examples: readonly number[]): void {
    this.#times = times
    if (this.#options.deal === 'even' || this.#steps > MEASURED_STEPS) return
    this.#steps++
    if (this.#steps === 1) return
    examples.forEach((count, rank) => {
      this.#done[rank] = this.#done[rank]! + count
      this.#spent[rank] = this.#spent[rank]! + times.attack[rank]!
    })
    if (this.#steps > MEASURED_STEPS) this.#shares = this.#measuredShares()
  }

  /** Shares in proportion to examples a second; a rank that got none so far keeps a share like its workers'. */
  #measuredShares(): readonly number[] {
    const { workers } = this.#options
    const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
    const known = workers.map((_, rank) => this.#done[rank]! > 0 && this.#spent[rank]! > 0)
    const mean = total(this.#done) / total(this.#spent) / (total(workers) / workers.length)
    const speeds = workers.map((count, rank) =>
      known[rank] ? this.#done[rank]! / this.#spent[rank]! : count * mean,
    )
    const shares = apportion(MEASURED_ROUND * total(workers), speeds)
    return shares.map((share, rank) => Math.min(share, this.#most[rank]!))
  }
}

/** Rows of a matrix that rank `rank` of `size` adds up: start..stop. */
export function shareOfRows(
  rows: number,
  rank: number,
  size: number,
): { readonly start: number; readonly stop: number } {
  return {
    start: Math.floor((rows * rank) / size),
    stop: Math.floor((rows * (rank + 1)) / size),
  }
}
