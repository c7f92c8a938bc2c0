/**
 * The clip–scale problem on one row, float64: x(s) = clip(s z, lo, hi) with ‖x(s)‖ = target.
 *
 * It is the stationarity condition of maximising ⟨z, x⟩ over a box and a sphere about the origin. ‖x(s)‖ is
 * non-decreasing in s, so a bracket and the closed form on the coordinates that are free,
 *
 *   s = √((target² − Σ of clipped squares) / (Σ of free z²)),
 *
 * end exactly in a few rounds of O(d). The loops choose by multiplying with 0 and 1: which end of its interval a
 * coordinate is at is a branch that the processor guesses wrong half of the time.
 */
export function clipScale(
  z: Float64Array,
  lo: Float64Array,
  hi: Float64Array,
  target: number,
  out: Float64Array,
): boolean {
  if (farthestNorm2(z, lo, hi) < target * target) return false
  let below = 0
  let above = Number.POSITIVE_INFINITY
  let s = startScale(z, target)
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const { clipped, free } = splitNorm2(z, lo, hi, s)
    if (clipped + s * s * free < target * target) below = s
    else above = s
    const root = Math.sqrt((target * target - clipped) / free)
    if (Math.abs(root - s) <= 1e-15 * s || above - below <= 1e-15 * below) break
    s = root > below && root < above ? root : between(below, above, s)
  }
  for (let j = 0; j < z.length; j++) {
    const x = s * z[j]!
    const below = Number(x < lo[j]!)
    const above = Number(x > hi[j]!)
    out[j] = below * lo[j]! + above * hi[j]! + (1 - below - above) * x
  }
  return true
}

/** Room for one such problem, used again by the next of the same length. */
export interface ClipScaleRow {
  readonly z: Float64Array
  readonly lo: Float64Array
  readonly hi: Float64Array
  readonly x: Float64Array
}

let room: ClipScaleRow | undefined

export function clipScaleRow(length: number): ClipScaleRow {
  if (room?.z.length !== length) {
    const row = () => new Float64Array(length)
    room = { z: row(), lo: row(), hi: row(), x: row() }
  }
  return room
}

/** Far above what bisecting all of float64's exponents and digits takes. */
const MOST_ROUNDS = 3000

/** sup over s of ‖x(s)‖²: every coordinate with z_j ≠ 0 at the end that z points to. */
function farthestNorm2(z: Float64Array, lo: Float64Array, hi: Float64Array): number {
  let sum = 0
  for (let j = 0; j < z.length; j++) {
    const up = Number(z[j]! > 0)
    const down = Number(z[j]! < 0)
    const end = z[j] === 0 ? clamp(0, lo[j]!, hi[j]!) : up * hi[j]! + down * lo[j]!
    sum += end * end
  }
  return sum
}

/** lim of clip(s z_j, lo_j, hi_j) as s → ∞. */
export function endOfRay(z: number, lo: number, hi: number): number {
  if (z > 0) return hi
  return z < 0 ? lo : clamp(0, lo, hi)
}

function splitNorm2(
  z: Float64Array,
  lo: Float64Array,
  hi: Float64Array,
  s: number,
): { clipped: number; free: number } {
  let clipped = 0
  let free = 0
  for (let j = 0; j < z.length; j++) {
    const x = s * z[j]!
    const below = Number(x < lo[j]!)
    const above = Number(x > hi[j]!)
    clipped += below * lo[j]! * lo[j]! + above * hi[j]! * hi[j]!
    free += (1 - below - above) * z[j]! * z[j]!
  }
  return { clipped, free }
}

function startScale(z: Float64Array, target: number): number {
  let sum = 0
  for (let j = 0; j < z.length; j++) sum += z[j]! * z[j]!
  return sum > 0 ? target / Math.sqrt(sum) : 1
}

function between(below: number, above: number, s: number): number {
  if (above === Number.POSITIVE_INFINITY) return 4 * s
  return below === 0 ? above / 4 : Math.sqrt(below * above)
}

export function clamp(x: number, lo: number, hi: number): number {
  return Math.min(Math.max(x, lo), hi)
}
