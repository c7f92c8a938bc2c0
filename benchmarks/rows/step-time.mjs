import { bindNetwork } from '@saddle/attacks'
import { openStream, projectedStep } from '@saddle/core'
// Registers the gradients that the peer needs.
import '@tensorflow/tfjs'
import * as tf from '@tensorflow/tfjs-core'
import { interleave, median } from '../measure.mjs'
import { attack, drawNetwork, drawPoints, INPUTS, loss, set } from '../one-step.mjs'

/**
 * Time of one training step and of its parts, by width, on one thread; and of the same input gradient as a
 * TensorFlow.js user would write it: weights as tensors, `tf.grad` through matMul. For equation (1) the peer holds
 * W⁽¹⁾ (m × m) and A, as the paper writes the network; Saddle holds U and F of W⁽¹⁾A = U F.
 */
const EXAMPLES = 128
export const CASES = [
  { name: 'two-layer (4)', family: 'two-layer', depth: 1, widths: [1024, 2048, 4096, 8192] },
  { name: 'deep (1), H = 1', family: 'deep', depth: 1, widths: [1024, 2048] },
  { name: 'deep (1), H = 2', family: 'deep', depth: 2, widths: [512, 1024, 2048] },
]

export const QUICK_CASES = [{ name: 'deep (1), H = 2', family: 'deep', depth: 2, widths: [256] }]

/** One row: medians in milliseconds of each part, and `ratio`, the peer's over ours. The backend is the current one. */
export function stepTimeRow(kind, width, rounds) {
  const times = measureStep(kind, width, rounds)
  return { network: kind.name, width, ...times, ratio: times.peer / times.gradient }
}

function measureStep({ family, depth }, width, rounds) {
  const { network, parameters } = drawNetwork(family, width, depth)
  const model = bindNetwork(network, parameters)
  const { x, y, key } = drawPoints(EXAMPLES)
  const ones = tf.onesLike(tf.expandDims(y, 1))
  const peer = peerOf(network, parameters)
  let factors = []
  const times = interleave(
    {
      gradient: () => finish(() => model.inputGradient(x, () => tf.clone(ones)).gradient),
      peer: () => finish(() => tf.grad(peer.forward)(x)),
      attack: () => finish(() => attack.search(model, x, y, { set, loss, key }).point),
      factors: () => {
        tf.dispose(factors)
        factors = tf.tidy(
          () => network.gradientFactors(parameters, x, f => loss.derivative(f, y)).factors,
        )
        factors.at(-1).signal.dataSync()
      },
      update: () => projectedStep(parameters, network, factors, 1e-6, 1),
    },
    rounds,
  )
  tf.dispose([x, y, ones, factors, peer.tensors])
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]))
}

/** The same function of x, summed over examples, by autodiff; its weights are tensors made once. */
function peerOf(network, parameters) {
  const { family, width, depth } = network.spec
  const tensors = []
  const hold = (data, shape) => {
    tensors.push(tf.tensor2d(data, shape))
    return tensors.at(-1)
  }
  // Outputs as columns: wasm products with a transposed operand are ten times slower, and the user knows it.
  if (family === 'two-layer') {
    const halves = parameters.trained.map(m => transposed(m.weights, hold))
    const a = hold(parameters.frozen.output.data.slice(), [width / 2, 1])
    const top = z => tf.matMul(tf.relu(z), a)
    const forward = x =>
      tf.sum(
        tf.div(
          tf.sub(top(tf.matMul(x, halves[0])), top(tf.matMul(x, halves[1]))),
          Math.sqrt(width),
        ),
      )
    return { forward, tensors }
  }
  const random = (rows, cols) => {
    const data = new Float32Array(rows * cols)
    openStream({ seed: 4, purpose: 'benchmark.peer' }).fillNormal(data, Math.sqrt(2 / width))
    return hold(data, [rows, cols])
  }
  const layers = [
    random(INPUTS, width),
    ...Array.from({ length: depth }, () => random(width, width)),
  ]
  const a = random(width, 1)
  const forward = x => {
    let h = tf.matMul(x, layers[0])
    for (const w of layers.slice(1)) h = tf.relu(tf.matMul(h, w))
    return tf.sum(tf.matMul(h, a))
  }
  return { forward, tensors }
}

function transposed({ rows, cols, data }, hold) {
  const columns = new Float32Array(rows * cols)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) columns[j * rows + i] = data[i * cols + j]
  return hold(columns, [cols, rows])
}

/** Runs `work` in a scope and waits for its result. */
function finish(work) {
  tf.tidy(() => {
    work().dataSync()
  })
}
