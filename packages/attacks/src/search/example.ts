import type { Stream } from '@saddle/core'
import type { Norm } from './norm.js'
import { clamp, type Row } from './rows.js'

/** One example as a search sees it: plain numbers, float64 where they are computed with. */
export interface Example {
  /** x_0, not to be written. */
  readonly centre: Float32Array
  /** A point that the user says is adversarial, in the box; null if there is none. */
  readonly start: Float32Array | null
  /** Its label, and the one it should be given or null: places among `classes` scores. */
  readonly label: number
  readonly target: number | null
  /** Scores, at least 2: one output f is read as the scores (−f/2, f/2) of the labels −1 and 1. */
  readonly classes: number
  /** Outputs of the model. */
  readonly outputs: number
  /** The norm of the set, its radius, and the box [lo, hi]^d that points must lie in. */
  readonly norm: Norm
  readonly radius: number
  readonly lo: number
  readonly hi: number
  /** A stream of random numbers that nothing else draws from. */
  stream(restart: number): Stream
}

/** Scores z: the outputs, or (−f/2, f/2) of one output. */
export function scoresOf({ outputs }: Pick<Example, 'outputs'>, f: Row): Float64Array {
  return outputs === 1 ? Float64Array.of(-f[0]! / 2, f[0]! / 2) : new Float64Array(f)
}

/** ∂/∂f of something from its derivative by scores. */
export function cotangentOf(
  { outputs }: Pick<Example, 'outputs'>,
  slope: Float64Array,
): Float64Array {
  return outputs === 1 ? Float64Array.of((slope[1]! - slope[0]!) / 2) : slope
}

/** The place of the largest score but one; the first of equals. */
export function largestBut(z: Float64Array, but: number): number {
  let best = -1
  for (let j = 0; j < z.length; j++) if (j !== but && (best < 0 || z[j]! > z[best]!)) best = j
  return best
}

/**
 * How far an example is from success, and the two scores that say so: z_over − z_under, with
 *
 *   untargeted   z_y − max_{j ≠ y} z_j: misclassified where ≤ 0
 *   targeted     max_{j ≠ t} z_j − z_t: reached where < 0
 */
export function lead(example: Example, f: Row): { value: number; over: number; under: number } {
  const z = scoresOf(example, f)
  const { label, target } = example
  const over = target === null ? label : largestBut(z, target)
  const under = target ?? largestBut(z, label)
  return { value: z[over]! - z[under]!, over, under }
}

/** ∂(z_over − z_under)/∂f, times `scale`. */
export function leadCotangent(
  example: Example,
  { over, under }: { readonly over: number; readonly under: number },
  scale = 1,
): Float64Array {
  const slope = new Float64Array(example.classes)
  slope[over] = scale
  slope[under] = -scale
  return cotangentOf(example, slope)
}

/** −log softmax(z)_k and its derivative by scores. */
export function crossEntropy(z: Float64Array, k: number): { value: number; slope: Float64Array } {
  const most = z.reduce((a, b) => Math.max(a, b))
  const slope = z.map(s => Math.exp(s - most))
  const total = slope.reduce((a, b) => a + b, 0)
  for (let j = 0; j < slope.length; j++) slope[j] = slope[j]! / total
  // The derivative at k is −Σ_{j ≠ k} p_j: p_k − 1 would lose it as soon as p_k rounds to 1.
  let others = 0
  for (let j = 0; j < slope.length; j++) if (j !== k) others += slope[j]!
  slope[k] = -others
  return { value: most + Math.log(total) - z[k]!, slope }
}

/** The point of the box closest to x, as the model is given it. */
export function inBox({ lo, hi }: Pick<Example, 'lo' | 'hi'>, x: Row): Float32Array {
  const out = new Float32Array(x.length)
  for (let j = 0; j < out.length; j++) out[j] = clamp(x[j]!, lo, hi)
  return out
}
