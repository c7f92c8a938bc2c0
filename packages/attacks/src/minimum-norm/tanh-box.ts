import type { Example } from '../search/example.js'
import { mapped, plus, type Row } from '../search/rows.js'

/** A change of variable w ↦ x ∈ [lo, hi]^d, and its derivative. */
export interface BoxVariable {
  /** x at w of x_0 plus w, as the model is given it. */
  at(w: Row): Float32Array
  /** g_j ∂x_j/∂w_j where `at` was last. */
  pullback(g: Row): Float64Array
}

/** Keeps the ends of the box inside: without it a pixel at 0 or 1 would have w = ±∞ and never move. */
const SHRINK = 0.999999

/**
 * The change of variable of Carlini & Wagner (2017), x = lo + (hi − lo)(tanh w + 1)/2, with x_0 shrunk by 0.999999
 * towards the middle of the box as in their code; without a box, x = x_0 + w.
 */
export function boxVariable({ centre, lo, hi }: Example): BoxVariable {
  if (!Number.isFinite(hi - lo))
    return {
      at: w => new Float32Array(plus(centre, 1, w)),
      pullback: g => new Float64Array(g),
    }
  const half = (hi - lo) / 2
  const start = mapped(centre, v => Math.atanh(SHRINK * ((v - lo) / half - 1)))
  const tanh = new Float64Array(centre.length)
  return {
    at(w) {
      const x = new Float32Array(w.length)
      for (let j = 0; j < x.length; j++) {
        tanh[j] = Math.tanh(start[j]! + w[j]!)
        x[j] = lo + half * (tanh[j]! + 1)
      }
      return x
    },
    pullback: g => mapped(g, (v, j) => v * half * (1 - tanh[j]! * tanh[j]!)),
  }
}
