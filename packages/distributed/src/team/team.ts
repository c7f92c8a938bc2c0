import { SaddleError } from '@saddle/core'
import type { Range } from '../replica/shards.js'
import type { SliceShare } from './slices.js'
import { nodesOf } from './tree.js'

/**
 * What the workers of a team share: workers that run one attack together, each with its own slices of the neurons,
 * and add up their parts of every pass. Teams of several ranks, each with neurons of its own, add up theirs too.
 */
export interface Team {
  /** Slices of the network, on all ranks. */
  readonly total: number
  /** The first slice of this rank. */
  readonly first: number
  /** Rows of this rank's slices in the matrices that it holds. */
  readonly slices: readonly Range[]
  /** Numbers that a slice can send at once. */
  readonly capacity: number
  /** One part a slice of this rank. [slices, capacity] */
  readonly parts: Float32Array<SharedArrayBuffer>
  /** Nodes of the tree of sums that each rank gives, in order. */
  readonly nodes: readonly (readonly Range[])[]
  /** Which of those are this rank's. */
  readonly rank: number
  /** What the ranks gave in this round, node after node, each as long as the round's sum. */
  readonly gathered: Float32Array<SharedArrayBuffer>
  /** The barrier's state; see `WORD`. */
  readonly words: Int32Array<SharedArrayBuffer>
}

export interface TeamOptions {
  /** Examples of the largest shard. */
  readonly examples: number
  /** d and the outputs: dimensions of what a pass gives for an example. */
  readonly inputs: number
  readonly outputs: number
}

/**
 * Places in `words`: members that wait, barriers passed so far, one of `STATE`, the number of the last round whose sum
 * waits for other ranks, and the length of that sum.
 */
export const WORD = { arrived: 0, round: 1, state: 2, waiting: 3, length: 4 } as const

export const STATE = { running: 0, stopped: 1, broken: 2 } as const

/** 4 · (slices + nodes) · examples · (inputs + outputs) bytes. */
export function createTeam(share: SliceShare, options: TeamOptions): Team {
  const { examples, inputs, outputs } = options
  const { slices, ranks, rank } = share
  const capacity = examples * (inputs + outputs)
  const own = ranks[rank]!
  const { start: firstRow } = slices[own.start]!
  const nodes = ranks.map(range => nodesOf(slices.length, range))
  const floats = (length: number) => new Float32Array(new SharedArrayBuffer(4 * length))
  return {
    total: slices.length,
    first: own.start,
    slices: slices
      .slice(own.start, own.stop)
      .map(({ start, stop }) => ({ start: start - firstRow, stop: stop - firstRow })),
    capacity,
    parts: floats((own.stop - own.start) * capacity),
    nodes,
    rank,
    gathered: floats(nodes.flat().length * capacity),
    words: new Int32Array(new SharedArrayBuffer(4 * Object.keys(WORD).length)),
  }
}

/** Before every attempt, when no member is at work. */
export function assemble({ words }: Team): void {
  words.fill(0)
}

/** Sends every member out of its barrier, and out of those it would still come to, with the error `brokenUp`. */
export function breakUp({ words }: Team): void {
  // In this order: whoever reads the new round sees that the team is broken, and whoever waits on the old one wakes.
  Atomics.store(words, WORD.state, STATE.broken)
  Atomics.add(words, WORD.round, 1)
  Atomics.notify(words, WORD.round)
}

/** What a member throws whose team was broken up: not its own fault, and not the reason. */
export function brokenUp(): SaddleError {
  return new SaddleError(
    'WORKER',
    'The team of workers was broken up: one of its members failed or could not be started.',
    { brokenUp: true },
  )
}

export function isBrokenUp(error: SaddleError | null): boolean {
  return error?.code === 'WORKER' && error.fields.brokenUp === true
}
