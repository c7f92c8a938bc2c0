import * as tf from '@tensorflow/tfjs-core'
import { assertShape, SaddleError } from '../errors.js'
import type { GradientFactor } from '../networks/network.js'

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
