import * as tf from '@tensorflow/tfjs-core'

/**
 * log(1 + u) for u > −1, elementwise, to a few units in the last place of float32:
 *
 *   u · log(w)/(w − 1) with w = 1 + u as it is rounded, and u where w = 1
 *
 * The errors of log(w) and w − 1 cancel (Kahan; Higham 2002, Section 1.14.1). `tf.log1p` of the wasm backend is
 * log(1 + u) itself: 0 below 6e-8, and half of the digits wrong at 1e-4.
 */
export function log1p(u: tf.Tensor): tf.Tensor {
  const w = tf.add(u, 1)
  const rounded = tf.sub(w, 1)
  const lost = tf.equal(rounded, 0)
  const share = tf.div(tf.log(w), tf.where(lost, tf.onesLike(w), rounded))
  return tf.where(lost, u, tf.mul(u, share))
}
