/** Arithmetic on one example's row, in float64, where the squares of float32 numbers neither overflow nor vanish. */
export type Row = Float32Array | Float64Array

/** Row `row` of [·, d], in place. */
export function rowOf(rows: Float32Array, row: number, d: number): Float32Array {
  return rows.subarray(row * d, (row + 1) * d)
}

/** Arrays one after another. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** ⟨a, b⟩. */
export function dot(a: Row, b: Row): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!
  return sum
}

/** ‖a‖₂. */
export function norm2(a: Row): number {
  return Math.sqrt(dot(a, a))
}

/** a − b. */
export function difference(a: Row, b: Row): Float64Array {
  const out = new Float64Array(a.length)
  for (let j = 0; j < out.length; j++) out[j] = a[j]! - b[j]!
  return out
}

/** a + s b. */
export function plus(a: Row, s: number, b: Row): Float64Array {
  const out = new Float64Array(a.length)
  for (let j = 0; j < out.length; j++) out[j] = a[j]! + s * b[j]!
  return out
}

/** s a. */
export function scaled(s: number, a: Row): Float64Array {
  const out = new Float64Array(a.length)
  for (let j = 0; j < out.length; j++) out[j] = s * a[j]!
  return out
}

/** change(a_j, j) for every j: what `Float64Array.from` does, which walks an iterator and takes ten times as long. */
export function mapped(a: Row, change: (value: number, j: number) => number): Float64Array {
  const out = new Float64Array(a.length)
  for (let j = 0; j < out.length; j++) out[j] = change(a[j]!, j)
  return out
}

/** (1 − s) a + s b. */
export function blend(a: Row, b: Row, s: number): Float64Array {
  const out = new Float64Array(a.length)
  for (let j = 0; j < out.length; j++) out[j] = (1 - s) * a[j]! + s * b[j]!
  return out
}

export function clamp(x: number, lo: number, hi: number): number {
  return Math.min(Math.max(x, lo), hi)
}
