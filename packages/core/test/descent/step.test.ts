import {
  deepReluNetwork,
  foldFrom,
  lossFrom,
  type Parameters,
  projectedStep,
  restoreWeights,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { fastGradient, spherePoints, trainStep } from './adversary.js'

await useBackend('wasm')

const loss = lossFrom('huber:1')
const [N, D, WIDTH, STEPS] = [8, 6, 48, 25]
const DELTA = 0.1
/**
 * Two float32 runs that round differently: each of 25 steps adds a few roundings of 6e-8 of numbers of order one,
 * and for these seeds no neuron flips on rounding alone. Seen: 5e-7.
 */
const RUNS_AGREE = 5e-6

/** W⁽¹⁾ A of dense parameters, U F of folded ones. */
const firstLayerImage = (
  { trained, frozen }: Parameters,
  { weights } = { weights: trained[0]!.weights },
): Float32Array => {
  const a = frozen.input!
  return tf.tidy(() =>
    tf
      .matMul(
        tf.tensor2d(weights.data, [weights.rows, weights.cols]),
        tf.tensor2d(a.data, [a.rows, a.cols]),
      )
      .dataSync<'float32'>(),
  )
}

const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((worst, v, i) => Math.max(worst, Math.abs(v - b[i]!)), 0)

for (const depth of [1, 2, 3])
  t.test(`folded = dense over 25 projected adversarial steps, H = ${depth}`, async t => {
    const shape = { inputs: D, width: WIDTH, depth }
    const dense = deepReluNetwork({ ...shape, first: 'dense' })
    const folded = deepReluNetwork({ ...shape, first: 'folded' })
    const denseParameters = dense.initialise(depth)
    const foldedParameters = foldFrom(denseParameters)
    const { x, y } = spherePoints(N, D, 11)
    const stepSize = 0.7 / (WIDTH * depth)
    const run = { loss, y, stepSize, radius: 1 }
    let projections = 0
    const worst = { loss: 0, gradientNorm: 0, distance: 0 }
    for (let step = 0; step < STEPS; step++) {
      const attackedDense = fastGradient(dense, denseParameters, loss, x, y, DELTA)
      const attackedFolded = fastGradient(folded, foldedParameters, loss, x, y, DELTA)
      const a = trainStep({ ...run, network: dense }, denseParameters, attackedDense)
      const b = trainStep({ ...run, network: folded }, foldedParameters, attackedFolded)
      tf.dispose([attackedDense, attackedFolded])
      if (a.measures.projected) projections++
      worst.loss = Math.max(worst.loss, Math.abs(a.loss - b.loss))
      const norms = [a, b].map(({ measures }) => measures.gradientNorm) as [number, number]
      worst.gradientNorm = Math.max(worst.gradientNorm, Math.abs(norms[0] / norms[1] - 1))
      a.measures.distances.forEach(({ distance }, h) => {
        const other = b.measures.distances[h]!.distance
        worst.distance = Math.max(worst.distance, Math.abs(distance - other))
      })
    }
    t.ok(projections >= 5, `the projection acted on ${projections} of ${STEPS} steps`)
    for (const [what, error] of Object.entries(worst))
      t.ok(error < RUNS_AGREE, `${what} agrees at every step: ${error}`)
    const image = firstLayerImage(foldedParameters)
    const { initial } = foldedParameters.trained[0]!
    const moved = largestDifference(image, firstLayerImage(foldedParameters, { weights: initial }))
    const error = largestDifference(firstLayerImage(denseParameters), image)
    t.ok(moved > 0.05 && error < RUNS_AGREE, `U F moved by ${moved}, off W⁽¹⁾A by ${error}`)
    for (let h = 1; h < depth; h++) {
      const pair = [denseParameters, foldedParameters].map(p => p.trained[h]!.displacement.data)
      t.ok(largestDifference(pair[0]!, pair[1]!) < RUNS_AGREE, `D of layer ${h + 1} agrees`)
    }
    tf.dispose([x, y])
  })

t.test('a step leaves no tensor behind, and restoreWeights finds its bits again', async t => {
  const network = deepReluNetwork({ inputs: D, width: 2000, depth: 1 })
  const parameters = network.initialise(3)
  const { x, y } = spherePoints(N, D, 12)
  const before = tf.memory().numTensors
  const run = { network, loss, y, stepSize: 1e-3, radius: 0.5 }
  const { measures } = trainStep(run, parameters, x)
  t.equal(measures.projected, true)
  t.equal(measures.comparison, null)
  t.equal(tf.memory().numTensors, before)
  const left = Float32Array.from(parameters.trained[0]!.weights.data)
  parameters.trained[0]!.weights.data.fill(0)
  restoreWeights(parameters)
  t.same(
    parameters.trained[0]!.weights.data.every((v, i) => Object.is(v, left[i]!)),
    true,
  )
})

t.test('shards of examples make the step of the whole batch', async t => {
  const network = deepReluNetwork({ inputs: D, width: WIDTH, depth: 2 })
  const { x, y } = spherePoints(N, D, 13)
  const whole = network.initialise(4)
  const parts = network.initialise(4)
  const factorsOf = (parameters: Parameters, from: number, count: number) =>
    network.gradientFactors(parameters, tf.slice2d(x, [from, 0], [count, D]), f =>
      tf.div(loss.derivative(f, tf.slice1d(y, from, count)), N),
    ).factors
  tf.tidy(() => {
    projectedStep(whole, network, factorsOf(whole, 0, N), 0.01, null)
    const shards = [...factorsOf(parts, 0, 3), ...factorsOf(parts, 3, 5)]
    projectedStep(parts, network, shards, 0.01, null)
  })
  for (const [h, { weights }] of whole.trained.entries())
    t.ok(largestDifference(weights.data, parts.trained[h]!.weights.data) < 1e-6, `layer ${h + 1}`)
  t.throws(() => projectedStep(whole, network, [], 0.01, null), { code: 'RANGE' })
})

t.test('a proposal that is not finite stops before the displacement is touched', async t => {
  const network = deepReluNetwork({ inputs: D, width: WIDTH })
  const parameters = network.initialise(5)
  const { x, y } = spherePoints(N, D, 14)
  tf.tidy(() => {
    const { factors } = network.gradientFactors(parameters, x, f => loss.derivative(f, y))
    t.throws(() => projectedStep(parameters, network, factors, 1e38, 1), { code: 'NUMERIC' })
  })
  t.ok(parameters.trained[0]!.displacement.data.every(v => v === 0))
})
