import type { Norm } from '../search/norm.js'
import type { Row } from '../search/rows.js'

/** A point t of a box [lo, hi]^d and a linear function: h at t, w its gradient. */
export interface Linearised {
  readonly t: Row
  readonly h: number
  readonly w: Float32Array
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
 * The sum grows with λ, concave and linear between the d kinks, so Newton's method from λ = 0 ends at the root in at
 * most d rounds, a few as a rule. Where the box does not reach the hyperplane, every coordinate goes to its end. [d]
 * float64. O(d) a round; O(d log d) for l1.
 */
export function stepToHyperplane(norm: Norm['name'], plane: Linearised): Float64Array {
  const { h, w } = plane
  const room = roomOf(plane)
  const moves =
    norm === 'l1' ? fillByGain(w, room, Math.abs(h)) : fillEvenly(norm, w, room, Math.abs(h))
  const signs = signBits(w)
  const down = h >= 0 ? -1 : 1
  for (let j = 0; j < moves.length; j++) moves[j] = down * (1 - 2 * (signs[j]! >>> 31)) * moves[j]!
  return moves
}

/**
 * The sign bit of w_j is bit 31 of entry j. The loops here compute with it, and with comparisons as 0 or 1, where a branch
 * would be mispredicted every other time: gradients have no pattern.
 */
function signBits(w: Float32Array): Int32Array {
  return new Int32Array(w.buffer, w.byteOffset, w.length)
}

/** What `roomOf` returns, until it is called again. */
let scratch = new Float64Array(0)

/** r_j: to lo where w_j falls with h, else to hi. Finite. */
function roomOf({ t, h, w, lo, hi }: Linearised): Float64Array {
  if (scratch.length !== t.length) scratch = new Float64Array(t.length)
  if (!Number.isFinite(hi - lo)) return scratch.fill(Number.MAX_VALUE)
  const signs = signBits(w)
  const [positive, negative] = h >= 0 ? [lo, hi] : [hi, lo]
  const span = negative - positive
  for (let j = 0; j < scratch.length; j++)
    scratch[j] = Math.abs(t[j]! - positive - span * (signs[j]! >>> 31))
  return scratch
}

/** λ where every coordinate goes to its end. */
const BEYOND = 1e150

/** linf and l2: m_j = min(λ u_j, r_j) with u_j = 1 or |w_j|. */
function fillEvenly(norm: 'l2' | 'linf', w: Row, room: Float64Array, need: number): Float64Array {
  const [even, graded] = norm === 'linf' ? [1, 0] : [0, 1]
  let lambda = 0
  let open = -1
  for (let before = -2; open !== before; ) {
    before = open
    open = 0
    let full = 0
    let slope = 0
    for (let j = 0; j < room.length; j++) {
      const weight = Math.abs(w[j]!)
      const share = even + graded * weight
      const isOpen = Number(lambda * share < room[j]!)
      const opened = isOpen * weight
      full += (weight - opened) * room[j]!
      slope += opened * share
      open += isOpen
    }
    if (open !== before) lambda = slope > 0 ? Math.max(lambda, (need - full) / slope) : BEYOND
  }
  const moves = new Float64Array(w.length)
  for (let j = 0; j < moves.length; j++) {
    const weight = Math.abs(w[j]!)
    const wanted = lambda * (even + graded * weight)
    const isOpen = Number(wanted < room[j]!)
    moves[j] = weight === 0 ? 0 : isOpen * wanted + (1 - isOpen) * room[j]!
  }
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
    moves[j] = Math.min(room[j]!, left / weight)
    left -= weight * moves[j]!
  }
  return moves
}
