import { type Loss, SaddleError } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Criterion } from './criterion.js'

/**
 * The loss exceeds a threshold: ℓ(f, y) > τ. What an attack on a scalar network is after that is read as a number and
 * not as a class; a loss that is not a number counts as above.
 *
 * @throws SaddleError RANGE unless τ is a number.
 */
export function lossAbove(loss: Loss, threshold: number): Criterion {
  if (Number.isNaN(threshold))
    throw new SaddleError('RANGE', 'The threshold of a loss must be a number, got NaN.', {
      threshold,
    })
  const criterion: Criterion = {
    name: `loss-above:${threshold}`,
    targets: null,
    isAdversarial: (outputs, labels) =>
      tf.tidy(() => tf.logicalNot(tf.lessEqual(loss.value(outputs, labels), threshold))),
    atRows: () => criterion,
  }
  return criterion
}
