import * as tf from '@tensorflow/tfjs-core'
import { assertShape } from '../errors.js'

/**
 * Which examples are misclassified: [n] bool, belonging to the caller. Ties and sign(0) count as errors, and so
 * does an output that is not a number (footnote 10: a prediction is sign(f)).
 *
 *   scalar:   not y f > 0                     outputs [n, 1], labels ±1
 *   classes:  not f_y > f_j for all j ≠ y     outputs [n, c], labels 0..c−1
 *
 * @throws SaddleError SHAPE if outputs and labels do not fit each other.
 */
export function misclassified(
  outputs: tf.Tensor2D,
  labels: tf.Tensor1D,
  kind: 'scalar' | 'classes',
): tf.Tensor1D {
  const [n, c] = outputs.shape
  assertShape('outputs to classify', outputs.shape, [labels.shape[0], kind === 'scalar' ? 1 : -1])
  return tf.tidy(() => {
    if (kind === 'scalar') {
      const margin = tf.mul(tf.reshape(outputs, [n]), labels)
      return tf.logicalNot(tf.greater(margin, tf.zerosLike(margin)))
    }
    const own = isLabel(outputs, labels)
    const score = tf.sum(tf.where(own, outputs, tf.zerosLike(outputs)), 1, true)
    const beats = tf.greater(tf.tile(score, [1, c]), outputs)
    return tf.logicalNot(tf.all(tf.logicalOr(beats, own), 1)) as tf.Tensor1D
  })
}

/** [n, c] bool: is column j the label of row i. */
export function isLabel(outputs: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor2D {
  const classes = tf.range(0, outputs.shape[1], 1, 'float32')
  return tf.equal(tf.expandDims(labels, 1), tf.expandDims(classes, 0))
}
