import type { Norm } from '../search/norm.js'
import type { Row } from '../search/rows.js'

/** A point t in a box [lo, hi]^d and a linear function: h at t, w its gradient. */
export interface Linearised {
  readonly t: Row
  readonly h: number
  readonly w: Row
  readonly lo: number
  readonly hi: number
}

/**
 * The shortest step to a hyperplane inside a box (Croce & Hein 2020, Section 3.1):
 *
 *   min ‖d‖   subject to   h + ⟨w, d⟩ = 0,   lo ≤ t_j + d_j ≤ hi
 *
 * Coordinate j moves by m_j ≥ 0 against sign(h) sign(w_j), at most by its room r_j, so that Σ_j |w_j| m_j = |h|:
 *
 *   linf   m_j = min(λ, r_j)          l2   m_j = min(λ |w_j|, r_j)
 *   l1     m_j = r_j in the order of |w_j|, the last one by what is left
 *
 * The sum grows with λ, concave and linear between the d kinks, so Newton's method from the left of the root ends at
 * it in at most d rounds, a few as a rule. Where the box does not reach the hyperplane, every coordinate goes to its
 * end. [d] float64. O(d) a round; O(d log d) for l1.
 */
export function stepToHyperplane(
  norm: Norm['name'],
  { t, h, w, lo, hi }: Linearised,
): Float64Array {
  const d = t.length
  const down = h >= 0
  const room = new Float64Array(d)
  for (let j = 0; j < d; j++) {
    const falls = w[j]! > 0 === down
    room[j] = w[j] === 0 ? 0 : falls ? t[j]! - lo : hi - t[j]!
  }
  const moves =
    norm === 'l1' ? fillByGain(w, room, Math.abs(h)) : fillEvenly(norm, w, room, Math.abs(h))
  for (let j = 0; j < d; j++) if (w[j]! > 0 === down) moves[j] = -moves[j]!
  return moves
}

/** linf and l2: m_j = min(λ u_j, r_j) with u_j = 1 or |w_j|. */
function fillEvenly(norm: 'l2' | 'linf', w: Row, room: Float64Array, need: number): Float64Array {
  const d = w.length
  const share = (j: number) => (norm === 'linf' ? 1 : Math.abs(w[j]!))
  let lambda = 0
  for (let round = 0; round <= d; round++) {
    let full = 0
    let slope = 0
    for (let j = 0; j < d; j++) {
      const weight = Math.abs(w[j]!)
      if (weight === 0) continue
      if (lambda * share(j) >= room[j]!) full += weight * room[j]!
      else slope += weight * share(j)
    }
    const next = slope > 0 ? (need - full) / slope : Number.POSITIVE_INFINITY
    if (!(next > lambda)) break
    lambda = next
    if (slope === 0) break
  }
  const moves = new Float64Array(d)
  for (let j = 0; j < d; j++)
    moves[j] = w[j] === 0 ? 0 : Math.min(lambda * share(j), Math.max(room[j]!, 0))
  return moves
}

/** l1: the coordinates that change h most for their move go first. */
function fillByGain(w: Row, room: Float64Array, need: number): Float64Array {
  const order = Array.from(w.keys()).sort((a, b) => Math.abs(w[b]!) - Math.abs(w[a]!) || a - b)
  const moves = new Float64Array(w.length)
  let left = need
  for (const j of order) {
    const weight = Math.abs(w[j]!)
    if (!(left > 0) || weight === 0) break
    moves[j] = Math.min(Math.max(room[j]!, 0), left / weight)
    left -= weight * moves[j]!
  }
  return moves
}
