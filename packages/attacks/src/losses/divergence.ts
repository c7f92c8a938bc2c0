import * as tf from '@tensorflow/tfjs-core'
import type { Objective } from './attack-loss.js'

/** KL(p ‖ q) between the predictions at two points, with its gradients in the outputs of both. */
export interface Divergence {
  /** [n], ≥ 0 up to rounding. */
  readonly value: tf.Tensor1D
  /** ∂KL/∂f: [n, outputs]. */
  readonly first: tf.Tensor2D
  /** ∂KL/∂f': [n, outputs]. */
  readonly second: tf.Tensor2D
}

/**
 * The divergence of TRADES (Zhang et al. 2019) for p = softmax(f), q = softmax(f'):
 *
 *   KL = Σ_j p_j (log p_j − log q_j),   ∂KL/∂f_j = p_j (log p_j − log q_j − KL),   ∂KL/∂f'_j = q_j − p_j
 *
 * One output f is the pair of scores (−f/2, f/2), so that p = (σ(−f), σ(f)). Numbers are float64 in between.
 *
 * @param f outputs at the clean points, [n, outputs].
 * @param g outputs f' at the other points, [n, outputs].
 */
export function divergence(f: tf.Tensor2D, g: tf.Tensor2D): Divergence {
  const [n, c] = f.shape
  const [value, first, second] = [n, n * c, n * c].map(length => new Float32Array(length))
  const [all, others] = [logSoftmax(f.dataSync(), c), logSoftmax(g.dataSync(), c)]
  const k = Math.max(2, c)
  const put = (to: Float32Array, row: number, slope: (j: number) => number) => {
    if (c === 1) to[row] = (slope(1) - slope(0)) / 2
    else for (let j = 0; j < c; j++) to[row * c + j] = slope(j)
  }
  for (let i = 0; i < n; i++) {
    const p = (j: number) => Math.exp(all[i * k + j]!)
    const gap = (j: number) => all[i * k + j]! - others[i * k + j]!
    let kl = 0
    for (let j = 0; j < k; j++) kl += p(j) * gap(j)
    value![i] = kl
    put(first!, i, j => p(j) * (gap(j) - kl))
    put(second!, i, j => Math.exp(others[i * k + j]!) - p(j))
  }
  return {
    value: tf.tensor1d(value!),
    first: tf.tensor2d(first!, [n, c]),
    second: tf.tensor2d(second!, [n, c]),
  }
}

/** What ascends KL(p ‖ q) in q, the outputs f of p held fixed. At p = q its gradient is 0. */
export function divergenceFrom(f: tf.Tensor2D): Objective {
  return {
    value: outputs => tf.tidy(() => divergence(f, outputs).value),
    derivative: outputs => tf.tidy(() => divergence(f, outputs).second),
  }
}

/** log softmax of every row of scores, [n, max(2, c)]: z_j − z* − log Σ e^{z − z*}. */
function logSoftmax(outputs: ArrayLike<number>, c: number): Float64Array {
  const k = Math.max(2, c)
  const z =
    c === 1
      ? Float64Array.from({ length: 2 * outputs.length }, (_, i) =>
          i % 2 === 0 ? -outputs[i >> 1]! / 2 : outputs[i >> 1]! / 2,
        )
      : Float64Array.from(outputs)
  for (let start = 0; start < z.length; start += k) {
    const row = z.subarray(start, start + k)
    const largest = Math.max(...row)
    let total = 0
    for (const score of row) total += Math.exp(score - largest)
    const shift = largest + Math.log(total)
    for (let j = 0; j < k; j++) row[j]! -= shift
  }
  return z
}
