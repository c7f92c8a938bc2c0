import { assertShape, misclassified } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Criterion } from './criterion.js'

/**
 * The prediction is the target, and by more than a tie: f_t > f_j for all j ≠ t, or t f > 0 for one output.
 *
 * @param targets [n], an example each: a class 0..c − 1, or ±1.
 */
export function targeted(targets: ArrayLike<number>): Criterion {
  const held = Float32Array.from(targets)
  return {
    name: 'targeted',
    targets: held,
    isAdversarial(outputs, labels) {
      assertShape('targets', [held.length], labels.shape)
      const kind = outputs.shape[1] === 1 ? 'scalar' : 'classes'
      return tf.tidy(() => tf.logicalNot(misclassified(outputs, tf.tensor1d(held), kind)))
    },
    atRows: rows => targeted(Float32Array.from(rows, row => held[row]!)),
  }
}
