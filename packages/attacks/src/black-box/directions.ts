import type { Stream } from '@saddle/core'
import { norm2, type Row } from '../search/rows.js'

/** Random directions in R^d, float64, from one stream. */

/** d independent standard normals. */
export function gaussian(stream: Stream, d: number): Float64Array {
  const u = new Float64Array(d)
  stream.fillNormal(u)
  return u
}

/** Uniform in [−1, 1]^d. */
export function uniformCube(stream: Stream, d: number): Float64Array {
  const u = new Float64Array(d)
  for (let j = 0; j < d; j++) u[j] = 2 * stream.uniform() - 1
  return u
}

/** d independent signs. */
export function signVector(stream: Stream, d: number): Float64Array {
  const u = new Float64Array(d)
  for (let j = 0; j < d; j++) u[j] = stream.uint32() & 1 ? 1 : -1
  return u
}

/** x ± s u for every direction u, the two points of a direction one after the other: [2 k · d]. */
export function antitheticPoints(x: Row, directions: readonly Row[], s: number): Float32Array {
  const d = x.length
  const points = new Float32Array(2 * directions.length * d)
  directions.forEach((u, k) => {
    for (let j = 0; j < d; j++) {
      points[2 * k * d + j] = x[j]! + s * u[j]!
      points[(2 * k + 1) * d + j] = x[j]! - s * u[j]!
    }
  })
  return points
}

/**
 * The antithetic estimate of a gradient from values L at `antitheticPoints`, u of mean square 1:
 *
 *   1/k Σ_j (L(x + s u_j) − L(x − s u_j))/(2 s) · u_j
 *
 * Without error on a constant; for linear functions it has the gradient as its mean.
 */
export function antitheticGradient(
  directions: readonly Row[],
  values: ArrayLike<number>,
  s: number,
): Float64Array {
  const d = directions[0]!.length
  const gradient = new Float64Array(d)
  directions.forEach((u, k) => {
    const slope = (values[2 * k]! - values[2 * k + 1]!) / (2 * s * directions.length)
    for (let j = 0; j < d; j++) gradient[j]! += slope * u[j]!
  })
  return gradient
}

/** u/‖u‖₂; u itself if it is 0. */
export function unit(u: Float64Array): Float64Array {
  const length = norm2(u)
  return length > 0 ? u.map(v => v / length) : u
}
