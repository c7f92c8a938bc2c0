import { type AttackSpec, attackFrom } from '@saddle/attacks'
import { blockSize } from './blocks.js'
import type { CleanReply, SearchReply } from './messages.js'

/** All blocks of the model without an attack as one reply. */
export function joinClean(blocks: ReadonlyMap<number, CleanReply>, n: number): CleanReply {
  const whole: CleanReply = {
    losses: new Float32Array(n),
    predictions: new Int32Array(n),
    leastLikely: new Int32Array(n),
    correct: new Int32Array(n),
    wild: new Int32Array(n),
    flat: new Int32Array(n),
    probabilities: new Int32Array(n),
    random: new Int32Array(n),
  }
  for (const [block, part] of blocks)
    for (const key of Object.keys(whole) as (keyof CleanReply)[])
      whole[key].set(part[key], block * blockSize(n))
  return whole
}

/** What an attack did at one radius, by example. */
type AtRadius = Omit<SearchReply, 'norms' | 'points' | 'seconds'>

/** All blocks of an attack, radius by radius. */
export interface Searched {
  readonly radii: readonly AtRadius[]
  readonly norms: Float32Array
  readonly seconds: number
}

export function joinSearches(
  blocks: ReadonlyMap<number, SearchReply>,
  n: number,
  radii: number,
): Searched {
  const norms = new Float32Array(n)
  const at = Array.from(
    { length: radii },
    (): AtRadius => ({
      success: new Int32Array(n),
      predictions: new Int32Array(n),
      losses: new Float32Array(n),
      distances: new Float32Array(n),
      fosc: new Float32Array(n),
      gradientSteps: new Int32Array(n),
      queries: new Int32Array(n),
      from: new Int32Array(n),
    }),
  )
  let seconds = 0
  for (const [block, part] of [...blocks].sort(([a], [b]) => a - b)) {
    const size = part.norms.length
    norms.set(part.norms, block * blockSize(n))
    seconds += part.seconds
    at.forEach((whole, r) => {
      for (const key of Object.keys(whole) as (keyof AtRadius)[])
        whole[key].set(part[key].subarray(r * size, (r + 1) * size), block * blockSize(n))
    })
  }
  return { radii: at, norms, seconds }
}

/** What a search of an attack costs an example at most, in passes: fixed-radius attacks search at every radius. */
export function costOf(spec: AttackSpec, radii: number): number {
  const { aim, passes } = attackFrom(spec)
  return Math.max(1, passes) * (aim === 'minimum-norm' ? 1 : radii)
}
