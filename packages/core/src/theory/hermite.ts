import type { Activation } from '../activations/activation.js'

/** Terms kept: 1e-16 at u = 0.6 for softplus, tanh and SiLU; at u = 1 the error is the tail of Σ c_j² = E σ'². */
const TERMS = 80

/** The trapezoidal rule on [−14, 14] with this step is exact to rounding for the activations' derivatives. */
const STEP = 1 / 128
const RANGE = 14

/**
 * k(u) = E σ'(z) σ'(z') for unit normals of correlation u, as a series in orthonormal Hermite polynomials h_j:
 *
 *   k(u) = Σ_j c_j² u^j,   c_j = E σ'(z) h_j(z)
 *
 * For smooth σ' (a jump makes the series converge slowly, like 1/√terms at u = 1).
 */
export function hermiteSeries(activation: Activation): (correlation: number) => number {
  const squares = hermiteCoefficients(z => activation.scalar.derivative(z), TERMS).map(c => c * c)
  return u => squares.reduceRight((sum, square) => sum * u + square, 0)
}

/**
 * c_j = E g(z) h_j(z), z ~ N(0, 1), for j < terms. Which of them vanish decides what the kernel can express
 * (Remark 5.1). Trapezoidal rule; h_j √φ is recursed instead of h_j, so that nothing overflows.
 */
export function hermiteCoefficients(g: (z: number) => number, terms: number): number[] {
  const c = new Array<number>(terms).fill(0)
  for (let k = -RANGE / STEP; k <= RANGE / STEP; k++) {
    const z = k * STEP
    const rootDensity = Math.sqrt(Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI))
    const weight = g(z) * rootDensity * STEP
    let previous = 0
    let current = rootDensity
    for (let j = 0; j < terms; j++) {
      c[j]! += weight * current
      // h_{j+1} = (z h_j − √j h_{j−1}) / √(j+1)
      const next = (z * current - Math.sqrt(j) * previous) / Math.sqrt(j + 1)
      previous = current
      current = next
    }
  }
  return c
}
