import {
  allocateMatrix,
  checkRegret,
  compareOutputs,
  deepReluNetwork,
  initialRegret,
  lossFrom,
  type Network,
  type RegretState,
  type RegretTerms,
  reportRegret,
  restoreWeights,
  type StepMeasures,
  sumOutputComparisons,
  tangentComparator,
  twoLayerNetwork,
  updateRegret,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { displaced, fastGradient, spherePoints, type Training, trainStep } from './adversary.js'

await useBackend('wasm')

/** Losses and outputs of order one in float32, averaged over 8 examples. */
const C1_ROUNDING = 2e-6
/** V is stored in float32: 6e-8 of each entry, relative to the squared distances. */
const C2_ROUNDING = 1e-6

const loss = lossFrom('huber:1')

const deep = (depth: number, init: 'paper' | 'mirrored' = 'paper'): Network =>
  deepReluNetwork({ inputs: 6, width: 256, depth, init })
const gs = twoLayerNetwork({ inputs: 6, width: 512, activation: 'gs:0.5' })

const SEED = 7
const DELTA = 0.1

/** W†: a third of the way to the labels, so that training wants to go farther than R and is projected. */
const comparatorOf = (network: Network, x: tf.Tensor2D, y: tf.Tensor1D) => {
  const start = network.initialise(SEED)
  const targets = tf.tidy(() => {
    const f = tf.reshape(network.forward(start, x), [-1])
    return tf.add(f, tf.div(tf.sub(y, f), 3)).dataSync<'float32'>()
  })
  const displacements = tangentComparator(network, start, x, targets)
  return { displacements, parameters: displaced(network, SEED, displacements, restoreWeights) }
}

/** The least R with W† in B(R), a millionth of itself larger: distances are measured in float32. */
const radiusOf = (network: Network, training: Omit<Training, 'radius'>, x: tf.Tensor2D) => {
  const parameters = network.initialise(SEED)
  for (const { name, displacement } of parameters.trained)
    displacement.data.set(training.comparator!.displacements[name]!.data)
  restoreWeights(parameters)
  const tiny = { ...training, stepSize: 1e-30, radius: null }
  const { distances } = trainStep(tiny, parameters, x).measures
  return Math.max(...distances.map(({ distance }) => distance)) * (1 + 1e-6)
}

const monitored = (network: Network, stepSize: number, steps: number, share: number) => {
  const { x, y } = spherePoints(8, 6, 21)
  const training = { network, loss, y, stepSize, comparator: comparatorOf(network, x, y) }
  const radius = share * radiusOf(network, training, x)
  const parameters = network.initialise(SEED)
  let state: RegretState = initialRegret
  let projections = 0
  const records: { terms: RegretTerms; measures: StepMeasures }[] = []
  for (let step = 0; step < steps; step++) {
    const attacked = fastGradient(network, parameters, loss, x, y, DELTA)
    const { terms, measures } = trainStep({ ...training, radius }, parameters, attacked)
    if (measures.projected) projections++
    state = updateRegret(state, terms!, { stepSize, gradientNorm: measures.gradientNorm })
    records.push({ terms: terms!, measures })
    attacked.dispose()
  }
  return { report: reportRegret(state)!, state, records, projections }
}

const STEPS = 60
const table: readonly [string, Network, number][] = [
  ['H = 1', deep(1), 0.7 / 256],
  ['H = 2', deep(2), 0.35 / 256],
  ['H = 3', deep(3), 0.23 / 256],
  ['H = 2, mirrored', deep(2, 'mirrored'), 0.35 / 256],
  ['equation (4), gs', gs, 1],
]

for (const [title, network, stepSize] of table)
  t.test(`C1–C4 hold with the projection at work: ${title}`, async t => {
    const { report, records, projections } = monitored(network, stepSize, STEPS, 1)
    const { violation, residual, projectionGain } = report.worst
    t.ok(projections >= STEPS / 4, `projected ${projections} of ${STEPS} steps`)
    t.ok(violation <= C1_ROUNDING, `C1: ${violation} ≤ 0`)
    t.ok(residual <= C2_ROUNDING, `C2: ${residual} = 0`)
    t.ok(projectionGain >= -C2_ROUNDING, `C3: ${projectionGain} ≥ 0`)
    t.ok(report.averageGap <= report.bound, `C4: ${report.averageGap} ≤ ${report.bound}`)
    // What (C4)'s sum telescopes over: a step starts where the last one ended.
    const jumps = records.slice(1).map(({ terms }, i) => {
      const before = records[i]!.terms.projectedSquared
      return Math.abs(terms.distanceSquared - before) / before
    })
    t.ok(Math.max(...jumps) < C2_ROUNDING, `distances join up: ${Math.max(...jumps)}`)
    t.ok(
      records.some(({ terms }) => Math.abs(terms.linearisation) > 1e-5),
      'e is not all zero',
    )
  })

t.test('(C3) fails, and shows, where the comparator lies outside of B(R)', async t => {
  const { report } = monitored(gs, 1, 40, 0.5)
  t.ok(report.worst.projectionGain < -1e-4, `gain ${report.worst.projectionGain}`)
})

t.test('the linearisation term is the mean of ℓ′ e over examples', async t => {
  // One example at a time, ⟨∇f_i, W† − W⟩ by a central difference along W† − W.
  const { x, y } = spherePoints(8, 6, 21)
  const comparator = comparatorOf(gs, x, y)
  const parameters = gs.initialise(SEED)
  const training = { network: gs, loss, y, stepSize: 1e-30, radius: null, comparator }
  const { terms } = trainStep(training, parameters, x)
  const h = 1e-2
  const along = (s: number) => {
    const scaled = Object.fromEntries(
      Object.entries(comparator.displacements).map(([name, m]) => {
        const moved = allocateMatrix(m.rows, m.cols)
        m.data.forEach((v, i) => {
          moved.data[i] = s * v
        })
        return [name, moved]
      }),
    )
    return gs.forward(displaced(gs, SEED, scaled, restoreWeights), x).dataSync<'float32'>()
  }
  const [start, end, plus, minus] = [along(0), along(1), along(h), along(-h)]
  const slopes = loss.derivative(gs.forward(parameters, x), y).dataSync<'float32'>()
  let mean = 0
  for (let i = 0; i < 8; i++)
    mean += (slopes[i]! * (end[i]! - start[i]! - (plus[i]! - minus[i]!) / (2 * h))) / 8
  // float32 outputs of order 0.3, differenced over 2h: 2e-8/0.02, averaged; h² terms are below 1e-5.
  t.ok(Math.abs(terms!.linearisation - mean) < 1e-5, `${terms!.linearisation} ≈ ${mean}`)
  t.ok(Math.abs(mean) > 1e-4, 'and is not zero')
})

t.test('the monitor is a pure fold whose state survives JSON', async t => {
  const terms: RegretTerms = {
    gap: 0.5,
    inner: 1,
    linearisation: 0.25,
    distanceSquared: 4,
    proposedSquared: 3.01,
    projectedSquared: 3,
  }
  const step = { stepSize: 0.5, gradientNorm: 0.2 }
  // 4 − 2·0.5·1 + 0.25·0.04 = 3.01
  t.same(checkRegret(terms, step), {
    violation: -0.25,
    residual: 0,
    projectionGain: 3.01 - 3,
  })
  t.equal(reportRegret(initialRegret), null)
  const one = updateRegret(initialRegret, terms, step)
  const parsed: RegretState = JSON.parse(JSON.stringify(one))
  t.same(parsed, one)
  const worse = updateRegret(parsed, { ...terms, gap: 2, projectedSquared: 3.5 }, step)
  t.equal(one.steps, 1)
  t.match(worse, { steps: 2, startSquared: 4, stepSizes: 1, worst: { violation: 1.25 } })
  const report = reportRegret(worse)!
  t.ok(report.worst.projectionGain < -0.4)
  const near = (a: number, b: number) => t.ok(Math.abs(a - b) < 1e-15, `${a} ≈ ${b}`)
  near(report.averageGap, 1.25)
  near(report.distanceTerm, 2)
  near(report.gradientTerm, 0.01)
  near(report.linearisationTerm, 0.25)
  near(report.bound, 2.26)
})

t.test('output comparisons of shards add up to those of the batch', async t => {
  const f = tf.tensor2d([[0.5], [-2], [1]])
  const g = tf.tensor2d([[1], [0], [1]])
  const labels = tf.tensor1d([1, 1, -1])
  const whole = compareOutputs(loss, f, g, labels)
  // Huber: losses 1/8, 5/2, 3/2 against 0, 1/2, 3/2; slopes −1/2, −1, 1.
  t.same(whole, { examples: 3, gapSum: 2.125, slopeSum: -2.25 })
  const rows = (from: number, count: number) =>
    compareOutputs(
      loss,
      tf.slice2d(f, [from, 0], [count, 1]),
      tf.slice2d(g, [from, 0], [count, 1]),
      tf.slice1d(labels, from, count),
    )
  t.same(sumOutputComparisons([rows(0, 1), rows(1, 2)]), whole)
  t.throws(() => compareOutputs(loss, f, tf.tensor2d([[1]]), labels), { code: 'SHAPE' })
})
