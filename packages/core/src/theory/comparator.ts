import type { Displacements } from '../descent/step.js'
import { SaddleError } from '../errors.js'
import type { Network, Parameters, TrainedMatrix } from '../networks/network.js'
import { allocateMatrix, type Matrix } from '../tensors/matrix.js'
import type { KernelFunction } from './interpolant.js'

/**
 * The explicit network of Theorem 5.2: weights W† at distance about ‖f*‖_H from W_0 at which the two-layer network
 * (equation 4) computes about f*(x) = Σ_j b_j K(x, z_j) = E ⟨v(w), x⟩ σ'(⟨w, x⟩):
 *
 *   v(w) = Σ_j b_j z_j σ'(⟨w, z_j⟩)
 *   w_r† = w_r + a_r v(w_r)/√m,   w̄_r† = w̄_r − a_r v(w̄_r)/√m        r ≤ m/2
 *
 * ‖W† − W_0‖_F tends to ‖f*‖_H like 1/√m; the function's error is O(C1 R/√m) from sampling w and, the halves
 * cancelling even orders, O(C3 R³/m) from linearisation. Costs m·k·d flops in float64.
 *
 * @param network a `two-layer` network with one output; @param target a function of its kernel's RKHS.
 * @returns W† − W_0 by name of trained matrix: the comparator of `projectedStep`.
 * @throws SaddleError CONFIG for another network; SHAPE if the points have another dimension than its inputs.
 */
export function theorem52Comparator(
  network: Network,
  parameters: Parameters,
  target: KernelFunction,
): Displacements {
  const { family, outputs, width, inputs } = network.spec
  if (family !== 'two-layer' || outputs !== 1)
    throw new SaddleError(
      'CONFIG',
      `Theorem 5.2's network: expected a two-layer network with one output, got ${family} with ${outputs}. Use tangentComparator for other networks.`,
      { family, outputs },
    )
  if (target.dimension !== inputs)
    throw new SaddleError(
      'SHAPE',
      `Theorem 5.2's network: expected points of dimension ${inputs}, got ${target.dimension}.`,
      { expected: inputs, got: target.dimension },
    )
  const { derivative } = network.activation.scalar
  const { output } = parameters.frozen
  const half = (matrix: TrainedMatrix, sign: number): Matrix =>
    featureDisplacement(matrix.initial, target, derivative, r => {
      return (sign * output!.data[r]!) / Math.sqrt(width)
    })
  const [plus, minus] = parameters.trained
  return { [plus!.name]: half(plus!, 1), [minus!.name]: half(minus!, -1) }
}

/** Rows s_r v(w_r): [rows, d]. */
function featureDisplacement(
  initial: Matrix,
  { points, coefficients }: KernelFunction,
  derivative: (z: number) => number,
  scale: (row: number) => number,
): Matrix {
  const { rows, cols } = initial
  const displacement = allocateMatrix(rows, cols)
  const v = new Float64Array(cols)
  for (let r = 0; r < rows; r++) {
    const w = initial.data.subarray(r * cols, (r + 1) * cols)
    v.fill(0)
    for (let j = 0; j < points.length; j++) {
      const z = points[j]!
      const weight = coefficients[j]! * derivative(dot(w, z))
      for (let k = 0; k < cols; k++) v[k]! += weight * z[k]!
    }
    const s = scale(r)
    for (let k = 0; k < cols; k++) displacement.data[r * cols + k] = s * v[k]!
  }
  return displacement
}

function dot(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!
  return sum
}
