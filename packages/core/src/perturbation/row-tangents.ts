import { distance, dot, largest, norm } from './row-loops.js'
import { RESIDUE } from './rows.js'

/** Tangents of a sphere about the origin, on rows of arrays (see row-loops.ts). */

/**
 * `length` ‖p‖₂, the `share` s = ⟨x, p⟩/‖p‖² of p in x that makes x − s p orthogonal to p, and `across`, ‖x − s p‖₂.
 * In float64 one orthogonalisation is enough.
 */
export function splitAlong(
  p: Float32Array,
  x: Float32Array,
  start: number,
  stop: number,
): { readonly length: number; readonly share: number; readonly across: number } {
  const length = norm(p, start, stop)
  const share = length === 0 ? 0 : dot(x, p, start, stop) / (length * length)
  return { length, share, across: distance(x, p, start, stop, share) }
}

/**
 * out ← the part of g orthogonal to x, over max |g_j|, with entries that are only rounding set to 0: the row of
 * `tangentialGradient`.
 */
export function tangentRow(
  x: Float32Array,
  g: Float32Array,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const size = largest(g, start, stop)
  const square = dot(x, x, start, stop)
  const share = square === 0 ? 0 : dot(g, x, start, stop) / square
  const unit = size === 0 ? 1 : 1 / size
  let i = start
  for (; i < stop - 1; i += 2) {
    out[i] = real(unit * (g[i]! - share * x[i]!))
    out[i + 1] = real(unit * (g[i + 1]! - share * x[i + 1]!))
  }
  if (i < stop) out[i] = real(unit * (g[i]! - share * x[i]!))
}

function real(part: number): number {
  return Math.abs(part) <= RESIDUE ? 0 : part
}
