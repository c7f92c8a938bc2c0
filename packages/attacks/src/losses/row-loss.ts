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
  const last: { outputs?: object; labels?: object; targets?: Float32Array | null; found?: Found } =
    {}
  const evaluate = (
    outputs: tf.Tensor2D,
    labels: tf.Tensor1D,
    targets: Float32Array | null,
  ): Found => {
    if (
      last.found !== undefined &&
      last.outputs === outputs.dataId &&
      last.labels === labels.dataId &&
      last.targets === targets
    )
      return last.found
    const [n, c] = outputs.shape
    const [f, y] = [outputs.dataSync(), labels.dataSync()]
    const found = { values: new Float32Array(n), slopes: new Float32Array(n * c) }
    const z = new Float64Array(Math.max(c, 2))
    const slope = new Float64Array(z.length)
    const place = (label: number) => (c === 1 ? Number(label > 0) : label)
    for (let i = 0; i < n; i++) {
      if (c === 1) z.set([-f[i]! / 2, f[i]! / 2])
      else z.set(f.subarray(i * c, (i + 1) * c))
      slope.fill(0)
      const target = targets === null ? null : place(targets[i]!)
      found.values[i] = loss(z, place(y[i]!), target, slope)
      if (c === 1) found.slopes[i] = (slope[1]! - slope[0]!) / 2
      else found.slopes.set(slope, i * c)
    }
    Object.assign(last, { outputs: outputs.dataId, labels: labels.dataId, targets, found })
    return found
  }
  return {
    name,
    value: (outputs, labels, targets) => tf.tensor1d(evaluate(outputs, labels, targets).values),
    derivative: (outputs, labels, targets) =>
      tf.tensor2d(evaluate(outputs, labels, targets).slopes, outputs.shape),
  }
}

/** Of a batch: values [n] and derivatives [n, outputs], which a step of an attack asks for in turn. */
interface Found {
  readonly values: Float32Array
  readonly slopes: Float32Array
}

/** The place of the largest score but one; the first of equals. */
export function largestBut(z: Float64Array, but: number): number {
  let best = -1
  for (let j = 0; j < z.length; j++) if (j !== but && (best < 0 || z[j]! > z[best]!)) best = j
  return best
}
