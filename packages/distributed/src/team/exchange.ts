import type { Range } from '../replica/shards.js'
import { Barrier } from './barrier.js'
import { sliceShare } from './slices.js'
import type { Team } from './team.js'

/**
 * Sums over all slices, for every member of a team: each puts down the parts of its own slices, waits for the others,
 * and adds all parts in the order of slices, so that the sum has the same bits for any number of members.
 *
 * Rounds take turns with two buffers: who writes the parts of a round knows that all have come to the barrier of the
 * round before, and so have read the one before that. One barrier a sum is enough.
 */
export class Exchange {
  /** The slices of this member: indices into `team.slices`. */
  readonly own: Range
  readonly #team: Team
  readonly #barrier: Barrier
  #turn = 0

  constructor(
    team: Team,
    { member, members }: { readonly member: number; readonly members: number },
    stop: Int32Array<SharedArrayBuffer>,
  ) {
    this.own = sliceShare(team.slices.length, member, members)
    this.#team = team
    this.#barrier = new Barrier(team, members, stop)
  }

  /** Puts numbers of one of this member's slices down, from place `offset` of its part on. */
  put(slice: number, values: Float32Array, offset = 0): void {
    this.#team.parts.set(values, this.#partAt(slice) + offset)
  }

  /**
   * Σ over all slices of the first `length` numbers put down: an array of the caller's own. O(slices · length).
   *
   * @throws SaddleError STOPPED, WORKER as `Barrier.wait`.
   */
  sum(length: number): Float32Array {
    this.#barrier.wait()
    const { parts, slices } = this.#team
    const first = this.#partAt(0)
    const sum = Float32Array.from(parts.subarray(first, first + length))
    for (let slice = 1; slice < slices.length; slice++) {
      const part = this.#partAt(slice)
      for (let i = 0; i < length; i++) sum[i] = sum[i]! + parts[part + i]!
    }
    this.#turn = 1 - this.#turn
    return sum
  }

  #partAt(slice: number): number {
    const { slices, capacity } = this.#team
    return (this.#turn * slices.length + slice) * capacity
  }
}
