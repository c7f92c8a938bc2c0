import { SaddleError } from '../errors.js'

/** A pivot below this share of the largest diagonal entry is rounding noise, not a number. */
const SINGULAR = 1e-14

/**
 * Solves K x = y for a symmetric positive definite K, in float64, by K = L Lᵀ. n³/3 flops; K is not changed.
 *
 * @param matrix K, [n, n] row-major; @param right y, [n].
 * @throws SaddleError NUMERIC if K is not positive definite to working precision.
 */
export function solvePositive(matrix: Float64Array, right: ArrayLike<number>): Float64Array {
  const n = right.length
  const l = choleskyFactor(matrix, n)
  const x = Float64Array.from(right)
  for (let i = 0; i < n; i++) {
    let rest = x[i]!
    for (let k = 0; k < i; k++) rest -= l[i * n + k]! * x[k]!
    x[i] = rest / l[i * n + i]!
  }
  for (let i = n - 1; i >= 0; i--) {
    let rest = x[i]!
    for (let k = i + 1; k < n; k++) rest -= l[k * n + i]! * x[k]!
    x[i] = rest / l[i * n + i]!
  }
  return x
}

/** L, lower triangular, [n, n] row-major: l_ij = (k_ij − Σ_{k<j} l_ik l_jk) / l_jj. */
function choleskyFactor(matrix: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n)
  let largest = 0
  for (let i = 0; i < n; i++) largest = Math.max(largest, matrix[i * n + i]!)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let rest = matrix[i * n + j]!
      for (let k = 0; k < j; k++) rest -= l[i * n + k]! * l[j * n + k]!
      if (i !== j) l[i * n + j] = rest / l[j * n + j]!
      else if (rest > SINGULAR * largest) l[i * n + i] = Math.sqrt(rest)
      else throw singular(i, rest, largest)
    }
  return l
}

function singular(index: number, pivot: number, largest: number): SaddleError {
  return new SaddleError(
    'NUMERIC',
    `Kernel matrix: expected a positive definite matrix, but point ${index} adds nothing to the points before it (pivot ${pivot} against ${largest}). Points may coincide, or be antipodal under an activation whose kernel cannot tell them apart: remove one, add a bias coordinate, use sincos, or give a ridge.`,
    { index, pivot, largest },
  )
}
