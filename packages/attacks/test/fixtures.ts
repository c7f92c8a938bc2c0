import type { Attackable } from '@saddle/attacks'
import { lossFrom, openStream, perturbationSetFrom, type SetSpec } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'

/** Weights of a small model; tensors are made anew in every pass, so that nothing outlives one. */
export interface TinyWeights {
  readonly d: number
  readonly hidden: number
  readonly outputs: number
  readonly w: Float32Array
  readonly v: Float32Array
}

export function tinyWeights(d: number, outputs: number, seed: number, hidden = 8): TinyWeights {
  const stream = openStream({ seed, purpose: 'test.model' })
  const w = new Float32Array(d * hidden)
  const v = new Float32Array(hidden * outputs)
  stream.fillNormal(w, 1)
  stream.fillNormal(v, 1)
  return { d, hidden, outputs, w, v }
}

/** f(x) = tanh(x W) V, with its gradient by hand, and a count of the passes. */
export function tanhModel({ d, hidden, outputs, w, v }: TinyWeights) {
  const passes = { forward: 0, gradient: 0 }
  const layers = () => ({ wT: tf.tensor2d(w, [d, hidden]), vT: tf.tensor2d(v, [hidden, outputs]) })
  const model: Attackable = {
    outputs,
    forward(x) {
      passes.forward++
      return tf.tidy(() => {
        const { wT, vT } = layers()
        return tf.matMul(tf.tanh(tf.matMul(x, wT)), vT)
      })
    },
    inputGradient(x, cotangent) {
      passes.gradient++
      const [y, g] = tf.tidy(() => {
        const { wT, vT } = layers()
        const h = tf.tanh(tf.matMul(x, wT))
        const y: tf.Tensor2D = tf.matMul(h, vT)
        const back = tf.matMul(cotangent(y), tf.transpose(vT))
        const signal = tf.mul(back, tf.sub(1, tf.square(h))) as tf.Tensor2D
        return [y, tf.matMul(signal, tf.transpose(wT)) as tf.Tensor2D]
      })
      return { outputs: y!, gradient: g! }
    },
  }
  return { model, passes }
}

/** f(x) = x Wᵀ + b: what attacks can be computed for by hand. `rows` holds a row of W an output. */
export function linearModel(rows: number[][], b: number[]): Attackable {
  const forward = (x: tf.Tensor2D): tf.Tensor2D =>
    tf.tidy(() => tf.add(tf.matMul(x, tf.transpose(tf.tensor2d(rows))), tf.tensor1d(b)))
  return {
    outputs: rows.length,
    forward,
    inputGradient(x, cotangent) {
      const outputs = forward(x)
      return { outputs, gradient: tf.tidy(() => tf.matMul(cotangent(outputs), tf.tensor2d(rows))) }
    },
  }
}

export const setKinds: readonly SetSpec['kind'][] = [
  'l1',
  'l2',
  'linf',
  'box-l1',
  'box-l2',
  'box-linf',
  'cap',
  'box-sphere',
  'lift-l2',
  'lift-linf',
]

export interface Problem {
  readonly n: number
  readonly d: number
  readonly x: Float32Array
  readonly y: Float32Array
  readonly set: ReturnType<typeof perturbationSetFrom>
  readonly weights: TinyWeights
  readonly seed: number
}

/** n centres where the set wants them, labels ±1 and a random tanh model of what the set shows the network. */
export function problem(spec: SetSpec, n: number, d: number, seed = 1): Problem {
  const stream = openStream({ seed, purpose: 'test.data' })
  const set = perturbationSetFrom(spec)
  const x = new Float32Array(n * d)
  const y = new Float32Array(n)
  for (let i = 0; i < n; i++) {
    const row = x.subarray(i * d, (i + 1) * d)
    if (spec.kind.startsWith('box-l')) row.set(Float32Array.from(row, () => stream.uniform()))
    else {
      stream.fillNormal(row)
      const length = spec.kind.startsWith('lift') ? 0.8 * stream.uniform() : 1
      const norm = Math.hypot(...row)
      if (!['l1', 'l2', 'linf'].includes(spec.kind)) row.set(row.map(v => (v * length) / norm))
    }
    y[i] = stream.uniform() < 0.5 ? -1 : 1
  }
  return { n, d, x, y, set, weights: tinyWeights(set.embeddedDimension(d), 1, seed), seed }
}

export const huber = lossFrom('huber:1')

export const keyFor = (examples: readonly number[]) => ({
  seed: 5,
  purpose: 'attack',
  step: 3,
  examples,
})

export const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)

/** Equal to the last bit. */
export function sameBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const bytes = (x: ArrayBufferView) => Buffer.from(x.buffer, x.byteOffset, x.byteLength)
  return bytes(a).equals(bytes(b))
}
