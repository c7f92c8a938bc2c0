import type { MeetingRadius, Pair } from './compatibility.js'

/**
 * Meeting radius of two sets of `boxSphere`. Both hold a common point iff the boxes' intersection is not empty and
 * the sphere passes through it:
 *
 *   max |a − b| ≤ 2δ   and   (least norm in the intersection) ≤ 1 ≤ (greatest norm in it),
 *
 * for d ≥ 2, since a box is connected. The sets grow with δ, so bisection finds where they begin to meet.
 */
export const boxSphereMeeting: MeetingRadius = (pair, bound) => {
  let above = Math.min(bound, 2)
  if (!meet(pair, above)) return Number.POSITIVE_INFINITY
  if (meet(pair, 0)) return 0
  let below = 0
  for (;;) {
    const middle = (below + above) / 2
    if (middle <= below || middle >= above) return above
    if (meet(pair, middle)) above = middle
    else below = middle
  }
}

/** What float32 leaves of norm² = 1; on the side of calling sets that barely miss each other incompatible. */
const SLACK = 1e-6

function meet({ inputs, dimension, a, b }: Pair, radius: number): boolean {
  let least2 = 0
  let greatest2 = 0
  for (let j = 0; j < dimension; j++) {
    const x = inputs[a + j]!
    const y = inputs[b + j]!
    const lo = Math.max(x, y) - radius
    const hi = Math.min(x, y) + radius
    if (lo > hi) return false
    const nearest = Math.max(lo, -hi, 0)
    least2 += nearest * nearest
    greatest2 += Math.max(lo * lo, hi * hi)
  }
  return least2 <= 1 + SLACK && greatest2 >= 1 - SLACK
}
