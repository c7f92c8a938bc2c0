import { type Parameters, SaddleError } from '@saddle/core'
import type { Range } from '../replica/shards.js'
import { neuronSlices } from './slices.js'

/**
 * What the workers of a team share: workers that run one attack together, each with its own slices of the neurons,
 * and add up their parts of every pass.
 */
export interface Team {
  /** Rows of every trained matrix, slice by slice. */
  readonly slices: readonly Range[]
  /** Numbers that a slice can send at once. */
  readonly capacity: number
  /** Two rounds of one part a slice: one is written while the other is read. [2, slices, capacity] */
  readonly parts: Float32Array<SharedArrayBuffer>
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

/** Places in `words`: members that wait, barriers passed so far, and one of `STATE`. */
export const WORD = { arrived: 0, round: 1, state: 2 } as const

export const STATE = { running: 0, stopped: 1, broken: 2 } as const

/** 8 · slices · examples · (inputs + outputs) bytes. */
export function createTeam(parameters: Parameters, options: TeamOptions): Team {
  const { examples, inputs, outputs } = options
  const slices = neuronSlices(parameters.trained[0]!.weights.rows)
  const capacity = examples * (inputs + outputs)
  return {
    slices,
    capacity,
    parts: new Float32Array(new SharedArrayBuffer(8 * slices.length * capacity)),
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
