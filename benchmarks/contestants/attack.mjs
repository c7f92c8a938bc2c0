import { attackFrom, bindNetwork } from '@saddle/attacks'
import {
  loadData,
  lossFrom,
  networkFrom,
  openStream,
  perturbationSetFrom,
  useBackend,
  withPrecision,
} from '@saddle/core'
import { parseConfig } from '@saddle/distributed'
import * as tf from '@tensorflow/tfjs-core'
import { writeMatrices } from './matrices.mjs'
import { peakMemory, timed } from './timing.mjs'

/** Added to the two-layer network's weights, uniform in ±: at W_0 it is 0, and near W_0 mostly cancellation. */
const NOISE = 0.1

/**
 * The commands of the attack's rows, all in one thread: `load` draws the network of a configuration and writes what
 * a peer needs of it, `check` computes what has to be equal, `attack` and `product` are timed.
 */
export function attackCommands() {
  let state
  return {
    load: async ({ config, folder, ordinal }) => {
      state = await open(config, ordinal)
      return { backend: state.backend, problem: writeMatrices(folder, state) }
    },
    check: () =>
      tf.tidy(() => {
        const { model, x, y, loss } = state
        const { outputs, gradient } = model.inputGradient(x, f => loss.derivative(f, y))
        return { outputs: [...outputs.dataSync()], gradient: [...gradient.dataSync()] }
      }),
    attack: ({ perturbation }) => {
      const { result, ...times } = timed(() => attacked(state, perturbation))
      return { ...times, loss: result }
    },
    product: ({ size, precision = 'float32' }) => withPrecision(precision, () => product(size)),
    memory: () => ({ bytes: peakMemory() }),
  }
}

async function open(input, ordinal) {
  const config = parseConfig(input)
  const { backend } = await useBackend(config.compute.backend, ordinal)
  const { train } = await loadData(config.data, { seed: config.seed })
  const { family, depth, width } = config.network
  const network = networkFrom({
    family,
    depth,
    width,
    inputs: train.dimension,
    outputs: 1,
    activation: 'relu',
    init: family === 'deep' ? 'paper' : 'symmetric',
  })
  const parameters = network.initialise(config.seed)
  if (family === 'two-layer')
    for (const { name, weights } of parameters.trained) shake(name, weights)
  return {
    backend: backend.name,
    config,
    network,
    parameters,
    model: bindNetwork(network, parameters),
    attack: attackFrom(config.attack),
    loss: lossFrom(config.loss),
    x: tf.tensor2d(train.inputs, [train.count, train.dimension]),
    y: tf.tensor1d(train.labels),
  }
}

function shake(name, { data }) {
  const stream = openStream({ seed: 2, purpose: `benchmark.${name}` })
  for (let i = 0; i < data.length; i++) data[i] += NOISE * (2 * stream.uniform() - 1)
}

/** Robust evaluation as anybody would do it: f at x, the search, f at what it found. Returns the mean loss there. */
function attacked({ model, attack, loss, config, x, y }, perturbation) {
  const set = perturbationSetFrom(perturbation)
  const examples = Int32Array.from({ length: x.shape[0] }, (_, i) => i)
  const key = { seed: config.seed, purpose: 'attack', step: 0, examples }
  return tf.tidy(() => {
    const clean = loss.value(model.forward(x), y)
    const options = { set, loss, key }
    const { precision } = config.compute
    if (precision === 'float32') {
      const found = attack.run(model, x, y, options)
      clean.dataSync()
      return tf.mean(found.loss).dataSync()[0]
    }
    // What the search finds is judged in float32.
    const { point } = withPrecision(precision, () => attack.search(model, x, y, options))
    clean.dataSync()
    return tf.mean(loss.value(model.forward(set.embed(point)), y)).dataSync()[0]
  })
}

/** Times the product of two square matrices on the current backend. */
function product(size) {
  return tf.tidy(() => {
    const a = tf.randomUniform([size, size], 0, 1, 'float32', 1)
    const b = tf.randomUniform([size, size], 0, 1, 'float32', 1)
    // Both operands are on the device once something was computed of them; one number read back waits for the product.
    const numberOf = tensor => tf.slice(tensor, [0, 0], [1, 1]).dataSync()
    for (const operand of [a, b]) numberOf(operand)
    const { seconds, cpuSeconds } = timed(() => numberOf(tf.matMul(a, b)))
    return { seconds, cpuSeconds }
  })
}
