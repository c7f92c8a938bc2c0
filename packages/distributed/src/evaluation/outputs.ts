import type * as tf from '@tensorflow/tfjs-core'

/**
 * What outputs [n, c] say, by example: the class of the largest and of the smallest, the first of equals; of one output
 * its sign, −1 or +1, and the other one. Ties and 0 are named all the same here: `misclassified` counts them as errors.
 */
export function predictionsOf(outputs: tf.Tensor2D): {
  readonly predictions: Int32Array
  readonly leastLikely: Int32Array
} {
  const [n, c] = outputs.shape
  const values = outputs.dataSync<'float32'>()
  const predictions = new Int32Array(n)
  const leastLikely = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    if (c === 1) {
      predictions[i] = values[i]! > 0 ? 1 : -1
      leastLikely[i] = -predictions[i]!
      continue
    }
    for (let j = 1; j < c; j++) {
      if (values[i * c + j]! > values[i * c + predictions[i]!]!) predictions[i] = j
      if (values[i * c + j]! < values[i * c + leastLikely[i]!]!) leastLikely[i] = j
    }
  }
  return { predictions, leastLikely }
}
