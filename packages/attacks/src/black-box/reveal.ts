import { crossEntropy, scoresOf } from '../search/example.js'
import type { Row } from '../search/rows.js'

/** What an attacker sees of an answer with f as outputs: a number a class. */
export type Reveal = (f: Row) => Float32Array

/** log softmax(z) of the k most probable classes, −∞ of the others. */
export function topLogProbabilities(k: number): Reveal {
  return f => {
    const z = scoresOf({ outputs: f.length }, f)
    const shown = new Float32Array(z.length).fill(Number.NEGATIVE_INFINITY)
    for (const j of ranked(z).slice(0, k)) shown[j] = -crossEntropy(z, j).value
    return shown
  }
}

/** The ranking alone: k for the most probable class, k − 1 for the next, …, 0 outside the first k. */
export function topRanks(k: number): Reveal {
  return f => {
    const z = scoresOf({ outputs: f.length }, f)
    const shown = new Float32Array(z.length)
    ranked(z)
      .slice(0, k)
      .forEach((j, rank) => {
        shown[j] = k - rank
      })
    return shown
  }
}

/** Classes by score, the first of equals first. */
function ranked(z: Float64Array): number[] {
  return Array.from(z.keys()).sort((a, b) => z[b]! - z[a]! || a - b)
}
