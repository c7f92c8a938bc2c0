import * as tf from '@tensorflow/tfjs-core'
import type { AttackLoss } from './attack-loss.js'

/**
 * A loss of one example: returns the value at its scores z and adds the derivative to `slope`, which is 0 before.
 * `label` and `target` (or null) are places in z. Numbers are float64.
 */
export type RowLoss = (
  z: Float64Array,
  label: number,
  target: number | null,
  slope: Float64Array,
) => number

/**
 * The loss on batches. Scores are few and their order matters (largest, second, third), so examples are taken one by
 * one on the host: no row depends on another, on any backend. One output f is the pair of scores (−f/2, f/2).
 */
export function lossByRows(name: AttackLoss['name'], loss: RowLoss): AttackLoss {
  const evaluate = (
    outputs: tf.Tensor2D,
    labels: tf.Tensor1D,
    targets: Float32Array | null,
    take: (value: number, slope: Float64Array, row: number) => void,
  ) => {
    const [n, c] = outputs.shape
    const [f, y] = [outputs.dataSync(), labels.dataSync()]
    const z = new Float64Array(Math.max(c, 2))
    const slope = new Float64Array(z.length)
    const place = (label: number) => (c === 1 ? Number(label > 0) : label)
    for (let i = 0; i < n; i++) {
      if (c === 1) z.set([-f[i]! / 2, f[i]! / 2])
      else z.set(f.subarray(i * c, (i + 1) * c))
      slope.fill(0)
      const target = targets === null ? null : place(targets[i]!)
      take(loss(z, place(y[i]!), target, slope), slope, i)
    }
  }
  return {
    name,
    value(outputs, labels, targets) {
      const values = new Float32Array(outputs.shape[0])
      evaluate(outputs, labels, targets, (value, _, i) => {
        values[i] = value
      })
      return tf.tensor1d(values)
    },
    derivative(outputs, labels, targets) {
      const [n, c] = outputs.shape
      const slopes = new Float32Array(n * c)
      evaluate(outputs, labels, targets, (_, slope, i) => {
        if (c === 1) slopes[i] = (slope[1]! - slope[0]!) / 2
        else slopes.set(slope, i * c)
      })
      return tf.tensor2d(slopes, [n, c])
    },
  }
}

/** The place of the largest score but one; the first of equals. */
export function largestBut(z: Float64Array, but: number): number {
  let best = -1
  for (let j = 0; j < z.length; j++) if (j !== but && (best < 0 || z[j]! > z[best]!)) best = j
  return best
}
