import { pgd } from '@saddle/attacks'
import { lossFrom, openStream, perturbationSetFrom, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import { machine, median } from './measure.mjs'

/**
 * What an attack costs beside its passes, set by set:
 *
 *     node benchmarks/geometry.mjs [BACKEND]
 *
 * Median milliseconds of a step of PGD-10 on [128, 784], with a model whose gradient is drawn beforehand and costs
 * nothing, from the second step to the last of 30 searches; with the best iterate kept, and with the last.
 */
const COUNT = 128
const INPUTS = 784
const STEPS = 10
const KINDS = ['l2', 'linf', 'box-l2', 'box-linf', 'cap', 'box-sphere', 'lift-l2', 'lift-linf']

const { backend } = await useBackend(process.argv[2] ?? 'auto')
const loss = lossFrom('huber:1')
const where = machine()
console.log(`${backend.name}; ${where.cpu}, load ${where.load.toFixed(1)}, Node ${where.node}`)
console.log(`ms a step of PGD-${STEPS} on [${COUNT}, ${INPUTS}]:     best    last`)
for (const kind of KINDS) {
  const times = [true, false].map(keepBest => median(stepTimes(kind, keepBest)))
  console.log(kind.padEnd(36), ...times.map(ms => ms.toFixed(2).padStart(7)))
}

function stepTimes(kind, keepBest) {
  const set = perturbationSetFrom({ kind, radius: /linf|box-sphere/.test(kind) ? 0.01 : 0.1 })
  const x = tf.tensor2d(centresFor(kind), [COUNT, INPUTS])
  const y = tf.tensor1d(Float32Array.from({ length: COUNT }, (_, i) => (i % 2 ? 1 : -1)))
  const model = freeModel(set.embeddedDimension(INPUTS))
  const attack = pgd({ steps: STEPS, start: 'clean', keepBest })
  const key = { seed: 1, purpose: 'attack', step: 0, examples: [...Array(COUNT).keys()] }
  const times = []
  for (let round = 0; round < 40; round++) {
    let last = null
    const onProgress = () => {
      const now = performance.now()
      if (last !== null && round >= 10) times.push(now - last)
      last = now
    }
    const options = { set, loss, key, onProgress }
    tf.tidy(() => {
      attack.search(model, x, y, options).point.dataSync()
    })
  }
  return times
}

/** Pixels, half of them 0; or points of norm 1, or 0.8 for the lift. */
function centresFor(kind) {
  const stream = openStream({ seed: 1, purpose: 'benchmark.centres' })
  const data = new Float32Array(COUNT * INPUTS)
  if (kind.startsWith('box-l')) return data.map(() => Math.max(0, 2 * stream.uniform() - 1))
  stream.fillNormal(data)
  const length = kind.startsWith('lift') ? 0.8 : 1
  for (let i = 0; i < COUNT; i++) {
    const row = data.subarray(i * INPUTS, (i + 1) * INPUTS)
    const scale = length / Math.hypot(...row)
    for (let j = 0; j < INPUTS; j++) row[j] *= scale
  }
  return data
}

/** Gradients that turn a little from one step to the next, as those of a network do. */
function freeModel(dimension) {
  const shape = [COUNT, dimension]
  const mean = tf.randomNormal(shape, 0, 1, 'float32', 1)
  const gradients = Array.from({ length: STEPS }, (_, k) =>
    tf.tidy(() => tf.add(mean, tf.randomNormal(shape, 0, 0.3, 'float32', 2 + k))),
  )
  let pass = 0
  return {
    outputs: 1,
    forward: () => tf.fill([COUNT, 1], 0.5),
    inputGradient: (_x, cotangent) => {
      const outputs = tf.fill([COUNT, 1], 0.5 + 0.001 * (pass % STEPS))
      cotangent(outputs)
      return { outputs, gradient: tf.clone(gradients[pass++ % STEPS]) }
    },
  }
}
