import type { Range } from '../replica/shards.js'
import { Barrier } from './barrier.js'
import { sliceShare } from './slices.js'
import type { Team } from './team.js'
import { addInto, childrenOf, nodesOf } from './tree.js'

/**
 * Sums over all slices of the network, for every member of a team: each puts down the parts of its own slices, adds up
 * the nodes of the tree of sums that are its own, and waits for the others; the last to come adds up those of the rank;
 * the ranks send each other theirs; and everybody adds up the rest. The sum has the same bits for any number of members
 * and ranks.
 *
 * Nobody writes what another may still read: parts are read before a barrier opens, and what was gathered is written
 * again when all have come to the next.
 */
export class Exchange {
  /** The slices of this member: indices into `team.slices`. */
  readonly own: Range
  readonly #team: Team
  readonly #barrier: Barrier
  /** What members have added up when all have come: slices as in the whole network. */
  readonly #shares: readonly Range[]
  readonly #share: Range

  constructor(
    team: Team,
    { member, members }: { readonly member: number; readonly members: number },
    stop: Int32Array<SharedArrayBuffer>,
  ) {
    const { slices, first } = team
    this.own = sliceShare(slices.length, member, members)
    this.#team = team
    this.#barrier = new Barrier(team, members, stop)
    this.#shares = Array.from({ length: members }, (_, m) => {
      const { start, stop } = sliceShare(slices.length, m, members)
      return { start: first + start, stop: first + stop }
    })
    this.#share = this.#shares[member]!
  }

  /** Puts numbers of one of this member's slices down, from place `offset` of its part on. */
  put(slice: number, values: Float32Array, offset = 0): void {
    this.#team.parts.set(values, slice * this.#team.capacity + offset)
  }

  /**
   * Σ over all slices of the first `length` numbers put down: an array of the caller's own. O(slices · length) over all
   * members.
   *
   * @throws SaddleError STOPPED, WORKER as `Barrier.wait`.
   */
  sum(length: number): Float32Array {
    const { total, nodes, gathered } = this.#team
    for (const node of nodesOf(total, this.#share)) this.#fold(node, [], length)
    this.#barrier.wait(length, () => this.#complete(length))
    const given = nodes.flat()
    const sum = (node: Range): Float32Array => {
      const place = given.findIndex(({ start, stop }) => start === node.start && stop === node.stop)
      if (place >= 0) return gathered.slice(place * length, (place + 1) * length)
      const [left, right] = childrenOf(node)
      const values = sum(left)
      addInto(values, sum(right))
      return values
    }
    return sum({ start: 0, stop: total })
  }

  /** Puts this rank's nodes where the ranks' are gathered. */
  #complete(length: number): void {
    const { nodes, rank, gathered } = this.#team
    const before = nodes.slice(0, rank).flat().length
    nodes[rank]!.forEach((node, i) => {
      this.#fold(node, this.#shares, length)
      gathered.set(this.#part(node, length), (before + i) * length)
    })
  }

  /** The sum of a node's slices, in the place of its first; what lies in one of `done` is there already. */
  #fold(node: Range, done: readonly Range[], length: number): void {
    const { start, stop } = node
    if (stop - start === 1 || done.some(d => d.start <= start && stop <= d.stop)) return
    const [left, right] = childrenOf(node)
    this.#fold(left, done, length)
    this.#fold(right, done, length)
    addInto(this.#part(left, length), this.#part(right, length))
  }

  #part({ start }: Range, length: number): Float32Array {
    const { first, capacity, parts } = this.#team
    const from = (start - first) * capacity
    return parts.subarray(from, from + length)
  }
}
