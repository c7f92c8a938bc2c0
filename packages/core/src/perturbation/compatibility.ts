import type { Dataset } from '../data/dataset.js'
import type { Compatibility } from './set.js'

/** A view of two examples: rows a and b (offsets) of the data set's inputs. */
export interface Pair {
  readonly inputs: Float32Array
  readonly dimension: number
  readonly a: number
  readonly b: number
}

/**
 * The radius from which on the closed sets of two examples meet, in float64; Infinity as soon as it is known to
 * exceed `bound`.
 */
export type MeetingRadius = (pair: Pair, bound: number) => number

/** Rows of the second index visited together, so that they stay in cache (784 · 4 B · 64 = 200 kB). */
const TILE = 64

/**
 * Definition 3.1: sets of radius δ are compatible with the data iff no two of differently labelled examples meet,
 * i.e. iff δ is below the least meeting radius over all such pairs.
 *
 * Float64 on plain arrays, by direct subtraction: a Gram matrix loses the digits of close pairs, and those are the
 * ones that decide. O(n² d), most pairs left after a part of their coordinates.
 */
export function compatibilityOf(
  data: Dataset,
  radius: number,
  meetingRadius: MeetingRadius,
): Compatibility {
  const { inputs, labels, count, dimension } = data
  let least = Number.POSITIVE_INFINITY
  let first: readonly [number, number] | null = null
  for (let tile = 0; tile < count; tile += TILE) {
    const stop = Math.min(count, tile + TILE)
    for (let i = 0; i < stop; i++) {
      for (let j = Math.max(tile, i + 1); j < stop; j++) {
        if (labels[i] === labels[j]) continue
        const pair = { inputs, dimension, a: i * dimension, b: j * dimension }
        const meets = meetingRadius(pair, Math.max(least, radius))
        if (meets < least) least = meets
        if (meets <= radius && (first === null || i < first[0])) first = [i, j]
      }
    }
  }
  return { compatible: first === null, firstPair: first, largestRadius: least }
}

/** How far apart two centres may be, in their norm, for sets of a radius to meet; increasing, with its inverse. */
export interface Reach {
  readonly distanceAt: (radius: number) => number
  readonly radiusAt: (distance: number) => number
}

/** Balls of radius δ meet iff their centres are at most 2δ apart; cut by a convex set that holds the centres, too. */
export const ballReach: Reach = {
  distanceAt: radius => 2 * radius,
  radiusAt: distance => distance / 2,
}

/** Meeting radius of sets around centres at l2 distance ‖a − b‖₂. */
export function euclideanMeeting({ distanceAt, radiusAt }: Reach): MeetingRadius {
  return (pair, bound) => {
    const limit = distanceAt(bound) ** 2 * (1 + 1e-12)
    const sum = squaredDistance(pair, limit)
    return sum > limit ? Number.POSITIVE_INFINITY : radiusAt(Math.sqrt(sum))
  }
}

/** Coordinates between two looks at the limit; a multiple of 4. */
const STRIDE = 32

/** ‖a − b‖², or a part of it that exceeds `limit`. Four sums side by side: one alone waits for its own additions. */
function squaredDistance({ inputs, dimension, a, b }: Pair, limit: number): number {
  let sum = 0
  let j = 0
  while (j + STRIDE <= dimension && sum <= limit) {
    let s0 = 0
    let s1 = 0
    let s2 = 0
    let s3 = 0
    for (const stop = j + STRIDE; j < stop; j += 4) {
      const d0 = inputs[a + j]! - inputs[b + j]!
      const d1 = inputs[a + j + 1]! - inputs[b + j + 1]!
      const d2 = inputs[a + j + 2]! - inputs[b + j + 2]!
      const d3 = inputs[a + j + 3]! - inputs[b + j + 3]!
      s0 += d0 * d0
      s1 += d1 * d1
      s2 += d2 * d2
      s3 += d3 * d3
    }
    sum += s0 + s1 + (s2 + s3)
  }
  if (sum > limit) return sum
  for (; j < dimension; j++) sum += (inputs[a + j]! - inputs[b + j]!) ** 2
  return sum
}

/** The coordinate that told the last pair apart. Tried first it mostly does so again: an image has its content in one place. */
let telling = 0

/** Meeting radius of balls around centres at distance max_j |a_j − b_j|. */
export const maximumMeeting: MeetingRadius = ({ inputs, dimension, a, b }, bound) => {
  const first = telling < dimension ? telling : 0
  let largest = 0
  for (let k = 0, j = first; k < dimension; k++, j = j + 1 < dimension ? j + 1 : 0) {
    const difference = Math.abs(inputs[a + j]! - inputs[b + j]!)
    if (difference > largest) {
      largest = difference
      if (largest > 2 * bound) {
        telling = j
        return Number.POSITIVE_INFINITY
      }
    }
  }
  return largest / 2
}

/** Meeting radius of balls around centres at distance Σ_j |a_j − b_j|. */
export const absoluteMeeting: MeetingRadius = ({ inputs, dimension, a, b }, bound) => {
  const limit = 2 * bound * (1 + 1e-12)
  let sum = 0
  for (let j = 0; j < dimension; j++) {
    sum += Math.abs(inputs[a + j]! - inputs[b + j]!)
    if (sum > limit) return Number.POSITIVE_INFINITY
  }
  return sum / 2
}
