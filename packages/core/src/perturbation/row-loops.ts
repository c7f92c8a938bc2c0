/**
 * Row-wise algebra on arrays: what rows.ts is on tensors, for backends whose tensors are arrays. A function works on
 * the row x[start], …, x[stop − 1] alone, in float64, where the squares of float32 numbers neither overflow nor
 * vanish. A row of a few kB stays in the first cache from one pass over it to the next.
 *
 * Loops take four numbers a turn and sums have four terms, added in a fixed order: the bits of a row depend on
 * nothing but the row. Nothing branches on the data of a finite row, where a branch is guessed wrong half of the
 * time: that costs several times the arithmetic.
 */

/** ‖x‖₂. */
export function norm(x: Float32Array, start: number, stop: number): number {
  return Math.sqrt(dot(x, x, start, stop))
}

/** ⟨a, b⟩. */
export function dot(a: Float32Array, b: Float32Array, start: number, stop: number): number {
  let s = 0
  let t = 0
  let u = 0
  let v = 0
  let i = start
  for (; i < stop - 3; i += 4) {
    s += a[i]! * b[i]!
    t += a[i + 1]! * b[i + 1]!
    u += a[i + 2]! * b[i + 2]!
    v += a[i + 3]! * b[i + 3]!
  }
  for (; i < stop; i++) s += a[i]! * b[i]!
  return s + t + (u + v)
}

/** ‖a − scale · b‖₂, without cancellation between sums. */
export function distance(
  a: Float32Array,
  b: Float32Array,
  start: number,
  stop: number,
  scale = 1,
): number {
  let s = 0
  let t = 0
  let u = 0
  let v = 0
  let i = start
  for (; i < stop - 3; i += 4) {
    s += square(a[i]! - scale * b[i]!)
    t += square(a[i + 1]! - scale * b[i + 1]!)
    u += square(a[i + 2]! - scale * b[i + 2]!)
    v += square(a[i + 3]! - scale * b[i + 3]!)
  }
  for (; i < stop; i++) s += square(a[i]! - scale * b[i]!)
  return Math.sqrt(s + t + (u + v))
}

/** max |x_j|, over the entries that are numbers. */
export function largest(x: Float32Array, start: number, stop: number): number {
  let s = 0
  let t = 0
  let i = start
  for (; i < stop - 1; i += 2) {
    const size = Math.abs(x[i]!)
    const next = Math.abs(x[i + 1]!)
    if (size > s) s = size
    if (next > t) t = next
  }
  if (i < stop) s = Math.max(s, Math.abs(x[i]!) || 0)
  return Math.max(s, t)
}

/** Is |x_j| > size for some j? */
export function exceeds(x: Float32Array, size: number, start: number, stop: number): boolean {
  for (let i = start; i < stop; i++) if (Math.abs(x[i]!) > size) return true
  return false
}

/** a = b as numbers, so that −0 = 0; false if one is NaN. */
export function sameRow(a: Float32Array, b: Float32Array, start: number, stop: number): boolean {
  for (let i = start; i < stop; i++) if (a[i] !== b[i]) return false
  return true
}

/** out ← x, bit for bit. */
export function copyRow(x: Float32Array, out: Float32Array, start: number, stop: number): void {
  if (x !== out) out.set(x.subarray(start, stop), start)
}

/** out ← α a + β b; `out` may be one of them. */
export function combine(
  alpha: number,
  a: Float32Array,
  beta: number,
  b: Float32Array,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  let i = start
  for (; i < stop - 3; i += 4) {
    out[i] = alpha * a[i]! + beta * b[i]!
    out[i + 1] = alpha * a[i + 1]! + beta * b[i + 1]!
    out[i + 2] = alpha * a[i + 2]! + beta * b[i + 2]!
    out[i + 3] = alpha * a[i + 3]! + beta * b[i + 3]!
  }
  for (; i < stop; i++) out[i] = alpha * a[i]! + beta * b[i]!
}

/** out ← α a + β b + γ c. */
export function combineThree(
  alpha: number,
  a: Float32Array,
  beta: number,
  b: Float32Array,
  gamma: number,
  c: Float32Array,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  let i = start
  for (; i < stop - 3; i += 4) {
    out[i] = alpha * a[i]! + beta * b[i]! + gamma * c[i]!
    out[i + 1] = alpha * a[i + 1]! + beta * b[i + 1]! + gamma * c[i + 1]!
    out[i + 2] = alpha * a[i + 2]! + beta * b[i + 2]! + gamma * c[i + 2]!
    out[i + 3] = alpha * a[i + 3]! + beta * b[i + 3]! + gamma * c[i + 3]!
  }
  for (; i < stop; i++) out[i] = alpha * a[i]! + beta * b[i]! + gamma * c[i]!
}

/** out ← x + step · g/‖g‖₂, x itself where g = 0; `out` may be x or g. */
export function stepAlong(
  x: Float32Array,
  g: Float32Array,
  step: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const length = norm(g, start, stop)
  if (length === 0) copyRow(x, out, start, stop)
  else combine(1, x, step / length, g, out, start, stop)
}

/** out ← x + step · sign(g), rounded as in float32; NaN where g is not finite. `out` may be x or g. */
export function stepSigns(
  x: Float32Array,
  g: Float32Array,
  step: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const eta = Math.fround(step)
  let i = start
  for (; i < stop - 3; i += 4) {
    out[i] = x[i]! + eta * sign(g[i]!)
    out[i + 1] = x[i + 1]! + eta * sign(g[i + 1]!)
    out[i + 2] = x[i + 2]! + eta * sign(g[i + 2]!)
    out[i + 3] = x[i + 3]! + eta * sign(g[i + 3]!)
  }
  for (; i < stop; i++) out[i] = x[i]! + eta * sign(g[i]!)
}

/** out ← clip(x, c − radius, c + radius), rounded as in float32; NaN where x is not finite. `out` may be x. */
export function clipAround(
  c: Float32Array,
  x: Float32Array,
  radius: number,
  out: Float32Array,
  start: number,
  stop: number,
): void {
  const r = Math.fround(radius)
  let i = start
  for (; i < stop - 3; i += 4) {
    out[i] = clip(x[i]!, c[i]! - r, c[i]! + r)
    out[i + 1] = clip(x[i + 1]!, c[i + 1]! - r, c[i + 1]! + r)
    out[i + 2] = clip(x[i + 2]!, c[i + 2]! - r, c[i + 2]! + r)
    out[i + 3] = clip(x[i + 3]!, c[i + 3]! - r, c[i + 3]! + r)
  }
  for (; i < stop; i++) out[i] = clip(x[i]!, c[i]! - r, c[i]! + r)
}

/** out ← clip(x, 0, 1); NaN where x is not finite. `out` may be x. */
export function clipToUnit(x: Float32Array, out: Float32Array, start: number, stop: number): void {
  let i = start
  for (; i < stop - 3; i += 4) {
    out[i] = clip(x[i]!, 0, 1)
    out[i + 1] = clip(x[i + 1]!, 0, 1)
    out[i + 2] = clip(x[i + 2]!, 0, 1)
    out[i + 3] = clip(x[i + 3]!, 0, 1)
  }
  for (; i < stop; i++) out[i] = clip(x[i]!, 0, 1)
}

/** −1, 0 or 1 for finite numbers, NaN for others. */
function sign(x: number): number {
  return Number(x > 0) - Number(x < 0) + (x - x)
}

/** min(max(x, lo), hi) for finite x of any size, up to the rounding of float64. */
export function clip(x: number, lo: number, hi: number): number {
  const above = lo + positive(x - lo)
  return hi - positive(hi - above)
}

/** max(x, 0) for finite x. */
function positive(x: number): number {
  return 0.5 * (x + Math.abs(x))
}

function square(x: number): number {
  return x * x
}
