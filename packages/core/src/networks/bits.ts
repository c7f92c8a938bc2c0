import { inFours, loopsOver } from '../tensors/simd/arrays.js'

/**
 * Relu's loops, on the bits of float32 numbers: its comparison is a branch that is guessed wrong every other time (5 to
 * 7 ns), −b and b >> 31 are not. Arrays from `withSimdArrays` are done four numbers at a time. The sign of −b tells b > 0 from b = 0 where b is known not to be negative.
 */

export function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length)
}

/** X ← max(X, 0). */
export function rectify(x: Float32Array): void {
  const bits = bitsOf(x)
  const loops = loopsOver(x)
  const done = loops === null ? 0 : inFours(x.length)
  loops?.rectify(x.byteOffset, 4 * done)
  for (let k = done; k < bits.length; k++) bits[k] = bits[k]! & ~(bits[k]! >> 31)
}

/** P ← P ⊙ 1{X > 0}, for X ≥ 0. */
export function mask(p: Float32Array, x: Float32Array): void {
  const [values, active] = [bitsOf(p), bitsOf(x)]
  const loops = loopsOver(p, x)
  const done = loops === null ? 0 : inFours(p.length)
  loops?.mask(x.byteOffset, p.byteOffset, 4 * done)
  for (let k = done; k < values.length; k++) values[k] = values[k]! & (-active[k]! >> 31)
}

/** Rows and columns of a tile that is transposed inside the cache. */
const TILE = 32

/** P ← uᵀ ⊙ 1{X > 0}, for u: [n, rows] and X ≥ 0: [rows, n]. */
export function maskTransposed(u: Float32Array, x: Float32Array, n: number, p: Float32Array): void {
  const [values, active, out] = [bitsOf(u), bitsOf(x), bitsOf(p)]
  const rows = x.length / n
  for (let r0 = 0; r0 < rows; r0 += TILE)
    for (let i0 = 0; i0 < n; i0 += TILE) {
      const [rStop, iStop] = [Math.min(rows, r0 + TILE), Math.min(n, i0 + TILE)]
      for (let r = r0; r < rStop; r++)
        for (let i = i0; i < iStop; i++)
          out[r * n + i] = values[i * rows + r]! & (-active[r * n + i]! >> 31)
    }
}

/** Y ← Xᵀ, for X: [rows, n]. */
export function transpose(x: Float32Array, n: number, y: Float32Array): void {
  const rows = x.length / n
  for (let r0 = 0; r0 < rows; r0 += TILE)
    for (let i0 = 0; i0 < n; i0 += TILE) {
      const [rStop, iStop] = [Math.min(rows, r0 + TILE), Math.min(n, i0 + TILE)]
      for (let i = i0; i < iStop; i++)
        for (let r = r0; r < rStop; r++) y[i * rows + r] = x[r * n + i]!
    }
}
