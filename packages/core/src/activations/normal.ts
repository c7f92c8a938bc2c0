import * as tf from '@tensorflow/tfjs-core'

const SQRT_PI = Math.sqrt(Math.PI)
const SQRT_2PI = Math.sqrt(2 * Math.PI)

/** Where the series and the continued fraction cost about the same and both hold 1e-15. */
const SERIES_BELOW = 2

/**
 * erf(x) = 2/√π ∫₀ˣ e^{−s²} ds, float64, absolute error below 1e-15.
 *
 * Below 2: 2/√π e^{−x²} Σ 2ⁿ x^{2n+1}/(2n+1)!! (Abramowitz and Stegun 7.1.6; all terms of one sign). Above: 1 − erfc.
 */
export function erf(x: number): number {
  if (Math.abs(x) >= SERIES_BELOW) return x > 0 ? 1 - erfc(x) : erfc(-x) - 1
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / SQRT_PI) * Math.exp(-x * x) * sum
}

/**
 * erfc(x) = 1 − erf(x), float64. For x ≥ 2 by Laplace's continued fraction (Abramowitz and Stegun 7.1.14), to a
 * relative 1e-13; so tails keep their digits down to the smallest float64.
 */
function erfc(x: number): number {
  if (x < SERIES_BELOW) return 1 - erf(x)
  let fraction = x
  for (let n = 60; n >= 1; n--) fraction = x + n / 2 / fraction
  return Math.exp(-x * x) / (SQRT_PI * fraction)
}

/** φ(z) = e^{−z²/2}/√(2π), float64. */
export function normalDensity(z: number): number {
  return Math.exp(-0.5 * z * z) / SQRT_2PI
}

/** Φ(z) = erfc(−z/√2)/2, the standard normal distribution function, float64. */
export function normalDistribution(z: number): number {
  return 0.5 * erfc(-z * Math.SQRT1_2)
}

/** φ(z) elementwise, float32. */
export function tensorDensity(z: tf.Tensor): tf.Tensor {
  return tf.mul(tf.exp(tf.mul(tf.square(z), -0.5)), 1 / SQRT_2PI)
}

/** Φ(z) = (1 + erf(z/√2))/2 elementwise, float32: absolute error about 1e-7, exactly 0 and 1 far out. */
export function tensorDistribution(z: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(tf.erf(tf.mul(z, Math.SQRT1_2)), 1), 0.5)
}
