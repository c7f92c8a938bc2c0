import { SaddleError } from '../errors.js'
import { solvePositive } from './cholesky.js'
import { type Kernel, kernelMatrix, pointRows } from './kernel.js'

/** A function of a kernel's RKHS: f(x) = Σ_j b_j K(x, z_j). Plain float64. */
export interface KernelFunction {
  readonly kernel: Kernel
  readonly dimension: number
  /** z_j: each [d]. */
  readonly points: readonly Float64Array[]
  /** b_j. */
  readonly coefficients: Float64Array
  /** ‖f‖_H = √(bᵀ K b): the radius R that the theory asks of a network that computes f. */
  readonly norm: number
  /** f(x), x: [d]. O(k d). */
  evaluate(x: ArrayLike<number>): number
}

/**
 * The function of least RKHS norm with f(z_j) = y_j: b = (K + λ I)⁻¹ y. k³/3 flops.
 *
 * @param points z, [k, d] row-major; @param targets y, [k]. @param ridge λ ≥ 0; with λ > 0 values are only near y.
 * @throws SaddleError SHAPE; NUMERIC if K + λ I is singular: no function of the RKHS takes these values.
 */
export function kernelInterpolant(
  kernel: Kernel,
  points: ArrayLike<number>,
  targets: ArrayLike<number>,
  dimension: number,
  ridge = 0,
): KernelFunction {
  const gram = kernelMatrix(kernel, points, dimension)
  const n = targets.length
  if (gram.length !== n * n)
    throw new SaddleError(
      'SHAPE',
      `Kernel interpolant: expected a target for each of the ${Math.sqrt(gram.length)} points, got ${n}.`,
      { points: Math.sqrt(gram.length), targets: n },
    )
  for (let i = 0; i < n; i++) gram[i * n + i]! += ridge
  const coefficients = solvePositive(gram, targets)
  return kernelFunction(kernel, points, coefficients, dimension)
}

/** f = Σ_j b_j K(·, z_j) for given coefficients. @param points z, [k, d] row-major; @param coefficients b, [k]. */
export function kernelFunction(
  kernel: Kernel,
  points: ArrayLike<number>,
  coefficients: ArrayLike<number>,
  dimension: number,
): KernelFunction {
  const rows = pointRows(points, dimension)
  const b = Float64Array.from(coefficients)
  const evaluate = (x: ArrayLike<number>) => {
    let sum = 0
    for (let j = 0; j < rows.length; j++) sum += b[j]! * kernel.evaluate(x, rows[j]!)
    return sum
  }
  let normSquared = 0
  for (let i = 0; i < rows.length; i++) normSquared += b[i]! * evaluate(rows[i]!)
  return {
    kernel,
    dimension,
    points: rows,
    coefficients: b,
    norm: Math.sqrt(Math.max(0, normSquared)),
    evaluate,
  }
}
