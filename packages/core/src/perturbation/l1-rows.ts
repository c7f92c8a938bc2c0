import { copyRow } from './row-loops.js'

/**
 * The two problems of an l1 ball on a row of arrays, with or without the box [0, 1]^d. Both depend on the offset from
 * the centre, coordinate by coordinate, and on how far a coordinate may go:
 *
 *   cap_j = ∞ without a box, else 1 − x_{0,j} upwards and x_{0,j} downwards
 */

/**
 * out ← the closest point of the ball to x: offsets v = x − x_0 are shrunk by one threshold and stopped by their caps,
 *
 *   sign(v_j) min(cap_j, max(|v_j| − λ, 0)),   λ ≥ 0 the least with Σ_j min(cap_j, max(|v_j| − λ, 0)) ≤ δ
 *
 * (Duchi et al. 2008 without caps, Croce & Hein 2021 with them). O(d log d). `out` may be `points`.
 */
export function projectCross(
  centres: Float32Array,
  points: Float32Array,
  radius: number,
  inBox: boolean,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const sizes = new Float64Array(stop - start)
  const caps = new Float64Array(stop - start)
  for (let j = 0; j < sizes.length; j++) {
    const offset = points[start + j]! - centres[start + j]!
    sizes[j] = Math.abs(offset)
    caps[j] = capOf(centres[start + j]!, offset, inBox)
  }
  const threshold = thresholdOf(sizes, caps, radius)
  for (let j = 0; j < sizes.length; j++) {
    const [centre, point] = [centres[start + j]!, points[start + j]!]
    const size = Math.min(caps[j]!, Math.max(sizes[j]! - threshold, 0))
    // A coordinate that is free to stay where it is stays there bit for bit.
    out[start + j] = size === sizes[j] ? point : centre + Math.sign(point - centre) * size
  }
}

/**
 * λ of `projectCross`. Σ_j is linear between breakpoints and falls from 0 on: |v_j| starts to shrink it at
 * |v_j| − cap_j and has left it at |v_j|.
 */
function thresholdOf(sizes: Float64Array, caps: Float64Array, radius: number): number {
  const starts = new Float64Array(sizes.length)
  let sum = 0
  for (let j = 0; j < sizes.length; j++) {
    starts[j] = Math.max(0, sizes[j]! - caps[j]!)
    sum += Math.min(sizes[j]!, caps[j]!)
  }
  if (sum <= radius) return 0
  const ends = sizes.slice().sort()
  starts.sort()
  let at = 0
  let moving = 0
  let [s, e] = [0, 0]
  while (e < ends.length) {
    const next = s < starts.length ? Math.min(starts[s]!, ends[e]!) : ends[e]!
    if (sum - moving * (next - at) <= radius) return at + (sum - radius) / moving
    sum -= moving * (next - at)
    at = next
    for (; s < starts.length && starts[s] === at; s++) moving++
    for (; e < ends.length && ends[e] === at; e++) moving--
    if (Number.isNaN(at)) return at
  }
  return at
}

/**
 * out ← argmax of ⟨g, x⟩ over the ball: the radius is spent on the coordinates of largest |g_j|, each up to its cap; the
 * first of equals. O(d log d) in a box, O(d) without. Where g = 0 the centre.
 */
export function maximiseCross(
  centres: Float32Array,
  gradient: Float32Array,
  radius: number,
  inBox: boolean,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  copyRow(centres, out, start, stop)
  if (!inBox) {
    const top = largestAt(gradient, start, stop)
    out[top]! += radius * Math.sign(gradient[top]!)
    return
  }
  const order = Array.from({ length: stop - start }, (_, j) => start + j)
  order.sort((a, b) => Math.abs(gradient[b]!) - Math.abs(gradient[a]!) || a - b)
  let left = radius
  for (const j of order) {
    if (left <= 0 || gradient[j] === 0) return
    const size = Math.min(left, capOf(centres[j]!, gradient[j]!, true))
    out[j]! += Math.sign(gradient[j]!) * size
    left -= size
  }
}

/**
 * out ← x + step · sign(g_i) e_i, i the first of largest |g_i|: the step of steepest ascent in l1; x itself where g = 0,
 * NaN where g is not finite. `out` may be x or g.
 */
export function stepTop(
  x: Float32Array,
  g: Float32Array,
  step: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const top = largestAt(g, start, stop)
  const sign = Math.sign(g[top]!)
  let spoilt = 0
  for (let i = start; i < stop; i++) spoilt += g[i]! * 0
  copyRow(x, out, start, stop)
  if (sign !== 0) out[top]! += step * sign
  if (spoilt !== 0) out.fill(Number.NaN, start, stop)
}

function capOf(centre: number, offset: number, inBox: boolean): number {
  if (!inBox) return Number.POSITIVE_INFINITY
  return offset > 0 ? 1 - centre : centre
}

function largestAt(x: Float32Array, start: number, stop: number): number {
  let top = start
  for (let i = start + 1; i < stop; i++) if (Math.abs(x[i]!) > Math.abs(x[top]!)) top = i
  return top
}
