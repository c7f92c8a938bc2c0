import type { Row } from './rows.js'

/**
 * Adam (Kingma & Ba 2015) for one vector: w ← w − rate · m̂/(√v̂ + 1e-8), with decays 0.9 and 0.999 and both moments
 * corrected for their start at 0. Returns the step to be added to w.
 */
export function adam(size: number, rate: number): (gradient: Row) => Float64Array {
  const m = new Float64Array(size)
  const v = new Float64Array(size)
  let t = 0
  return gradient => {
    t++
    const corrected = (rate * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t)
    const epsilon = 1e-8 * Math.sqrt(1 - 0.999 ** t)
    const step = new Float64Array(size)
    for (let j = 0; j < size; j++) {
      const g = gradient[j]!
      m[j] = 0.9 * m[j]! + 0.1 * g
      v[j] = 0.999 * v[j]! + 0.001 * g * g
      step[j] = (-corrected * m[j]!) / (Math.sqrt(v[j]!) + epsilon)
    }
    return step
  }
}
