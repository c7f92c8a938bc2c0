import { readFileSync } from 'node:fs'
import type { Attackable } from '@saddle/attacks'
import * as tf from '@tensorflow/tfjs-core'

/** Weights [inputs, outputs], row-major, and biases, layer by layer. */
export type Layers = readonly (readonly [weights: readonly number[], biases: readonly number[]])[]

/** A ReLU perceptron with biases, its gradient by hand: what reference results are made on. */
export function perceptron(layers: Layers): Attackable {
  const outputs = layers.at(-1)![1].length
  const forward = (x: tf.Tensor2D) => {
    const inputs: tf.Tensor2D[] = []
    const y = layers.reduce((h, [w, b], index) => {
      const active: tf.Tensor2D = index === 0 ? h : tf.relu(h)
      inputs.push(h)
      return tf.add(tf.matMul(active, matrix(w, b)), tf.tensor1d([...b]))
    }, x)
    return { y, inputs }
  }
  return {
    outputs,
    forward: x => tf.tidy(() => forward(x).y),
    inputGradient(x, cotangent) {
      const [y, gradient] = tf.tidy(() => {
        const { y, inputs } = forward(x)
        const back = layers.reduceRight((signal, [w, b], index): tf.Tensor2D => {
          const before: tf.Tensor2D = tf.matMul(signal, tf.transpose(matrix(w, b)))
          return index === 0 ? before : tf.mul(before, tf.step(inputs[index]!))
        }, cotangent(y))
        return [y, back]
      })
      return { outputs: y!, gradient: gradient! }
    },
  }
}

/** The layers of a `Sequential` that begins with `Flatten`, as PyTorch saved them: data/NAME.safetensors. */
export function savedLayers(name: string): Layers {
  const bytes = readFileSync(new URL(`data/${name}.safetensors`, import.meta.url))
  const begin = 8 + Number(bytes.readBigUInt64LE())
  const tensors = JSON.parse(bytes.toString('utf8', 8, begin)) as Record<
    string,
    { readonly shape: readonly number[]; readonly data_offsets: readonly [number, number] }
  >
  const numbers = (key: string): number[] => {
    const [from, to] = tensors[key]!.data_offsets
    return Array.from({ length: (to - from) / 4 }, (_, i) =>
      bytes.readFloatLE(begin + from + 4 * i),
    )
  }
  const count = Object.keys(tensors).filter(key => key.endsWith('.weight')).length
  return Array.from({ length: count }, (_, i) => {
    const [outputs = 0, inputs = 0] = tensors[`${2 * i + 1}.weight`]!.shape
    const saved = numbers(`${2 * i + 1}.weight`)
    const transposed = saved.map((_, j) => saved[(j % outputs) * inputs + Math.floor(j / outputs)]!)
    return [transposed, numbers(`${2 * i + 1}.bias`)]
  })
}

function matrix(w: readonly number[], b: readonly number[]): tf.Tensor2D {
  return tf.tensor2d([...w], [w.length / b.length, b.length])
}
