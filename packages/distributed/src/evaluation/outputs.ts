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

/** What softmax in float32 misses 1 by, a class. */
const ROUNDING = 1e-6

/** [n]: 1 where several outputs are not negative and sum to 1, as those of softmax are and scores hardly ever. */
export function looksLikeProbabilities(outputs: tf.Tensor2D): Int32Array {
  const [n, c] = outputs.shape
  const values = outputs.dataSync<'float32'>()
  return Int32Array.from({ length: n }, (_, i) => {
    const row = values.subarray(i * c, (i + 1) * c)
    const sum = row.reduce((a, b) => a + b, 0)
    return Number(c > 1 && row.every(v => v >= 0) && Math.abs(sum - 1) <= c * ROUNDING)
  })
}
