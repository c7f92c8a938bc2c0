import type { Example } from '../search/example.js'
import { mapped, plus, type Row } from '../search/rows.js'

/** A change of variable w ↦ x ∈ [lo, hi]^d, and its derivative. */
export interface BoxVariable {
  /** w of x_0. */
  readonly start: Float64Array
  /** x at start + w, as the model is given it. */
  at(w: Row): Float32Array
  /** g_j ∂x_j/∂w_j at start + w. */
  pullback(w: Row, g: Row): Float64Array
}

/** Keeps the ends of the box inside: without it a pixel at 0 or 1 would have w = ±∞ and never move. */
const SHRINK = 0.999999

/**
 * The change of variable of Carlini & Wagner (2017), x = lo + (hi − lo)(tanh w + 1)/2, with x_0 shrunk by 0.999999
 * towards the middle of the box as in their code; without a box, x = x_0 + w.
 */
export function boxVariable({ centre, lo, hi }: Example): BoxVariable {
  const d = centre.length
  if (!Number.isFinite(hi - lo))
    return {
      start: new Float64Array(d),
      at: w => new Float32Array(plus(centre, 1, w)),
      pullback: (_w, g) => new Float64Array(g),
    }
  const half = (hi - lo) / 2
  const start = mapped(centre, v => Math.atanh(SHRINK * ((v - lo) / half - 1)))
  return {
    start,
    at: w => new Float32Array(mapped(start, (s, j) => lo + half * (Math.tanh(s + w[j]!) + 1))),
    pullback(w, g) {
      return mapped(g, (v, j) => {
        const t = Math.tanh(start[j]! + w[j]!)
        return v * half * (1 - t * t)
      })
    },
  }
}
