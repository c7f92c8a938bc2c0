import * as tf from '@tensorflow/tfjs-core'
import { assertShape, SaddleError } from '../errors.js'
import type { GradientFactor } from '../networks/network.js'
import { currentBackend } from '../tensors/backends.js'
import { scoped } from '../tensors/scope.js'

/**
 * Rows of a gradient from its factors, summed over shards of examples in the order given:
 *
 *   G = Σ_s signal_s · input_s        signal_s: [rows, n_s], input_s: [n_s, cols]
 *
 * Callers give shards in example order: the order of additions decides the last bits. 2·rows·cols·Σn_s flops.
 *
 * @returns G [rows, cols], which the caller disposes of; the factors are left alone.
 * @throws SaddleError SHAPE; RANGE if there are no factors.
 */
export function combineFactors(
  factors: readonly Pick<GradientFactor, 'signal' | 'input'>[],
): tf.Tensor2D {
  const [first] = factors
  if (first === undefined)
    throw new SaddleError('RANGE', 'Gradient factors: expected those of at least one shard, got 0.')
  const rows = first.signal.shape[0]
  const cols = first.input.shape[1]
  return tf.tidy(() => {
    let sum: tf.Tensor2D | undefined
    for (const { signal, input } of factors) {
      assertShape('signal of a gradient factor', signal.shape, [rows, input.shape[0]])
      assertShape('input of a gradient factor', input.shape, [-1, cols])
      const product: tf.Tensor2D = tf.matMul(signal, input)
      sum = sum === undefined ? product : tf.add(sum, product)
    }
    return sum!
  })
}

/** A gradient factor as arrays, row-major: `signal` [rows, n], `input` [n, cols]. */
export interface FactorArrays {
  readonly signal: Float32Array
  readonly input: Float32Array
}

/**
 * The same into an array [rows, cols]: out ← Σ_s signal_s · input_s, or out ← out + Σ_s … where `add`, in the order given.
 * Where the backend computes on arrays in place, nothing else is written; elsewhere each product is a tensor. With
 * `add`, the sum over shards is then formed first, so that the last bits are the backend's own.
 *
 * @throws SaddleError SHAPE before anything is written; RANGE if there are no factors.
 */
export function combineInto(
  out: Float32Array,
  cols: number,
  factors: readonly FactorArrays[],
  add = false,
): void {
  const rows = out.length / cols
  const counts = factors.map(({ signal, input }) => {
    assertShape('gradient factor, examples', [signal.length / rows], [input.length / cols])
    return input.length / cols
  })
  const algebra = currentBackend().algebra?.() ?? null
  if (algebra !== null && factors.length > 0) {
    for (const [s, { signal, input }] of factors.entries()) {
      const shape = { m: rows, n: cols, k: counts[s]! }
      const [left, right] = [signal, input].map(data => ({ data, transposed: false }))
      algebra.product(shape, left!, right!, out, { add: add || s > 0 })
    }
    return
  }
  const sum = scoped(() =>
    combineFactors(
      factors.map(({ signal, input }, s) => ({
        signal: tf.tensor2d(signal, [rows, counts[s]!]),
        input: tf.tensor2d(input, [counts[s]!, cols]),
      })),
    ).dataSync<'float32'>(),
  )
  if (add) for (let i = 0; i < out.length; i++) out[i] = out[i]! + sum[i]!
  else out.set(sum)
}
