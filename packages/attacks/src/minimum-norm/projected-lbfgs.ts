import type { Search } from '../search/ask.js'
import { inBox } from '../search/example.js'
import { difference, dot, mapped, plus, type Row, scaled } from '../search/rows.js'

/** A function and its gradient at x, which is asked for. */
export type Evaluate = (x: Float32Array) => Search<{ value: number; gradient: Float64Array }>

export interface LbfgsOptions {
  readonly lo: number
  readonly hi: number
  /** Iterations, at most; and twice as many evaluations. */
  readonly steps: number
}

/** Pairs of steps and gradient changes that are remembered. */
const MEMORY = 10

/** Halvings of a step, at most. */
const HALVINGS = 20

/** Sufficient decrease (Armijo). */
const DECREASE = 1e-4

/** A relative decrease that float32 outputs do not resolve: the end. */
const FLAT = 1e-7

/**
 * Minimises a function over [lo, hi]^d by L-BFGS on the coordinates that are free (Bertsekas 1982; Nocedal 1980):
 *
 *   free_j    unless x_j is at an end of the box and −g_j points out of it
 *   p         −H g on the free coordinates, H by the two-loop recursion over the last 10 pairs (s, y)
 *   x ← clip(x + α p), α = 1, ½, ¼, … until f falls by 1e-4 ⟨g, clip(x + α p) − x⟩
 *
 * Ends where the free gradient vanishes, no step decreases f, or f falls by less than 1e-7 of itself. L-BFGS-B differs
 * in that it moves along the whole path of the projected gradient to choose the free coordinates. Returns the last x.
 *
 * Cost: an evaluation at the start, one a step, and one for every halving: 1 + 2 · steps at most.
 */
export function* minimiseInBox(
  evaluate: Evaluate,
  start: Float32Array,
  { lo, hi, steps }: LbfgsOptions,
): Search<Float32Array> {
  let x = start
  let now = yield* evaluate(x)
  let pairs: Pair[] = []
  let left = 2 * steps
  for (let k = 0; k < steps; k++) {
    const g = freePart(x, now.gradient, lo, hi)
    const size = dot(g, g)
    if (size === 0) return x
    let p = scaled(-1, inverseHessian(pairs, g))
    if (!(dot(p, g) < 0)) {
      pairs = []
      p = scaled(-1, g)
    }
    // Without curvature the length of g means nothing: a first step of length 1 at most.
    let alpha = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(size)) : 1
    let next: { x: Float32Array; value: number; gradient: Float64Array } | null = null
    for (let half = 0; half <= HALVINGS && next === null; half++, alpha /= 2) {
      if (left-- === 0) return x
      const moved = inBox({ lo, hi }, plus(x, alpha, p))
      const there = yield* evaluate(moved)
      const promised = dot(now.gradient, difference(moved, x))
      if (there.value <= now.value + DECREASE * promised) next = { x: moved, ...there }
    }
    if (next === null) return x
    const [s, y] = [difference(next.x, x), difference(next.gradient, now.gradient)]
    const curvature = dot(s, y)
    if (curvature > 1e-10 * dot(y, y)) pairs = [...pairs, { s, y, curvature }].slice(-MEMORY)
    const fall = now.value - next.value
    x = next.x
    now = next
    if (fall <= FLAT * Math.max(Math.abs(now.value), 1e-12)) return x
  }
  return x
}

interface Pair {
  readonly s: Row
  readonly y: Row
  readonly curvature: number
}

/** g, 0 where a step against it would leave the box. */
function freePart(x: Row, g: Row, lo: number, hi: number): Float64Array {
  return mapped(g, (v, j) => ((x[j]! <= lo && v > 0) || (x[j]! >= hi && v < 0) ? 0 : v))
}

/** H g, H ≈ the inverse Hessian; 0 where g is. */
function inverseHessian(pairs: readonly Pair[], g: Float64Array): Float64Array {
  if (pairs.length === 0) return g
  let q: Float64Array = g
  const shares: number[] = []
  for (const { s, y, curvature } of pairs.toReversed()) {
    const share = dot(s, q) / curvature
    shares.unshift(share)
    q = plus(q, -share, y)
  }
  const { y, curvature } = pairs.at(-1)!
  q = scaled(curvature / dot(y, y), q)
  pairs.forEach((pair, k) => {
    q = plus(q, shares[k]! - dot(pair.y, q) / pair.curvature, pair.s)
  })
  return q.map((v, j) => (g[j] === 0 ? 0 : v))
}
