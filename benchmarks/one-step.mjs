import { pgd } from '@saddle/attacks'
import { l2Cap, lossFrom, networkFrom, openStream } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'

/** The training step whose parts the benchmarks of one thread time: d = 784, PGD-5 in a cap. */
export const INPUTS = 784
export const loss = lossFrom('huber:1')
export const set = l2Cap(0.1)
export const attack = pgd({
  steps: 5,
  stepSize: 0.4,
  restarts: 1,
  start: 'clean',
  objective: 'loss',
  keepBest: true,
})

/** A relu network of one output, away from W_0, where the two-layer network and its gradients are 0. */
export function drawNetwork(family, width, depth) {
  const network = networkFrom({
    family,
    depth,
    width,
    inputs: INPUTS,
    outputs: 1,
    activation: 'relu',
    init: family === 'deep' ? 'paper' : 'symmetric',
  })
  const parameters = network.initialise(1)
  for (const { weights, name } of parameters.trained) {
    const stream = openStream({ seed: 2, purpose: `benchmark.${name}` })
    for (let i = 0; i < weights.data.length; i++) weights.data[i] += 0.01 * (stream.uniform() - 0.5)
  }
  return { network, parameters }
}

/** Random points of the sphere with random labels, and the attack's key for them. */
export function drawPoints(count) {
  const stream = openStream({ seed: 3, purpose: 'benchmark.points' })
  const data = new Float32Array(count * INPUTS)
  stream.fillNormal(data)
  const x = tf.tidy(() => {
    const rows = tf.tensor2d(data, [count, INPUTS])
    return tf.div(rows, tf.norm(rows, 2, 1, true))
  })
  const y = tf.tensor1d(
    Float32Array.from({ length: count }, () => (stream.uniform() < 0.5 ? -1 : 1)),
  )
  const examples = Int32Array.from({ length: count }, (_, i) => i)
  return { x, y, key: { seed: 1, purpose: 'attack', step: 0, examples } }
}
