// Builds a network, draws data on the sphere, and compares what four attacks find.
//
//   node examples/attack-a-network.mjs

import { bindNetwork, fgsm, identity, pgd, uniform } from '@saddle/attacks'
import { deepReluNetwork, l2Cap, loadData, lossFrom, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'

const SEED = 1
const DIMENSION = 16
const EXAMPLES = 64
const RADIUS = 0.1

await useBackend('wasm')

// Examples on the unit sphere with labels ±1, and around each of them the cap that the adversary may use.
const { train: data } = await loadData(
  {
    source: { kind: 'clusters', dimension: DIMENSION, clusters: 8, separation: 0.6, spread: 0.1 },
    classes: null,
    labels: 'scalar',
    count: EXAMPLES,
    testCount: null,
    sphere: { kind: 'none' },
    pool: 1,
  },
  { seed: SEED },
)
const x = tf.tensor2d(data.inputs, [data.count, data.dimension])
const y = tf.tensor1d(data.labels)
const set = l2Cap(RADIUS)
const loss = lossFrom('huber:1')

// Equation (1) at the paper's initialisation: nothing is trained, so all of this is about the random network f_0.
const network = deepReluNetwork({ inputs: DIMENSION, width: 1024, depth: 2 })
const model = bindNetwork(network, network.initialise(SEED))

const attacks = {
  identity: identity({ fosc: true }),
  'uniform, 20 draws': uniform({ draws: 20, fosc: true }),
  fgsm: fgsm({ fosc: true }),
  'pgd, 5 steps': pgd({ steps: 5, stepSize: 0.5, fosc: true }),
  'pgd, 20 steps': pgd({ steps: 20, fosc: true }),
  'pgd, 20 steps, two-sided, 3 restarts': pgd({
    steps: 20,
    restarts: 3,
    objective: 'two-sided',
    fosc: true,
  }),
}

const mean = tensor => tf.mean(tf.cast(tensor, 'float32')).dataSync()[0]

/** FOSC is 0 where no first-order search can get further: the smaller, the more nearly solved. */
function row(attack) {
  return tf.tidy(() => {
    const key = { seed: SEED, purpose: 'example', step: 0, examples: [...Array(data.count).keys()] }
    const result = attack.run(model, x, y, { set, loss, key })
    return {
      'mean loss': mean(result.loss).toFixed(4),
      misclassified: `${(100 * mean(result.success)).toFixed(1)} %`,
      'mean distance': mean(result.distance).toFixed(4),
      'mean FOSC': mean(result.fosc).toFixed(4),
      'gradient steps': Math.max(...result.gradientSteps),
    }
  })
}

console.log(`${EXAMPLES} examples, d = ${DIMENSION}, cap of radius ${RADIUS}, m = 1024, H = 2`)
console.table(
  Object.fromEntries(Object.entries(attacks).map(([name, attack]) => [name, row(attack)])),
)
