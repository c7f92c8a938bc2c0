import {
  activationFrom,
  initialRegret,
  kernelInterpolant,
  l2Cap,
  lossFrom,
  type Network,
  type Parameters,
  type RegretState,
  reportRegret,
  restoreWeights,
  SaddleError,
  theorem41Plan,
  theorem51Plan,
  theorem52Comparator,
  twoLayerKernel,
  twoLayerNetwork,
  updateRegret,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { displaced, spherePoints, trainStep } from '../descent/adversary.js'

await useBackend('wasm')

const huber = { lipschitz: 1 }
const sincos = { c1: Math.SQRT2, c2: Math.SQRT2 }

t.test('Theorem 5.1 in numbers: sin + cos, R = 2.87, ε = 0.2', async t => {
  const plan = theorem51Plan({ ...huber, ...sincos, radius: 2.87, epsilon: 0.2 })
  // (√2 · 2.87² / 0.2)² = 3392.3…, ε/(2·2), 2 · 2.87²/(0.05 · 0.2) = 1647.4
  t.equal(plan.width, 3394)
  t.ok(Math.abs(plan.stepSize - 0.05) < 1e-15)
  t.equal(plan.steps, 1648)
  t.same(
    plan.quantities.map(q => [q.symbol, q.value, q.constant]),
    [
      ['m', plan.width, 'proven'],
      ['α', plan.stepSize, 'proven'],
      ['T', plan.steps, 'proven'],
    ],
  )
  t.equal(plan.inputs.R, 2.87)
})

t.test('Theorem 4.1 in numbers, and honest about Θ', async t => {
  const plan = (depth: number, radius = 1, dimension = 10) =>
    theorem41Plan({ ...huber, radius, epsilon: 0.1, depth, dimension })
  t.equal(plan(1).width, 1e7)
  t.ok(Math.abs(plan(2).width / 6.55e11 - 1) < 1e-3)
  t.ok(Math.abs(plan(3).width / 4.3e14 - 1) < 2e-3)
  t.equal(plan(1, 0.01, 300).width, 300 ** 2)
  const { width, stepSize, steps, quantities } = plan(2, 1.5)
  t.ok(Math.abs(stepSize * 3 * width * 2 - 0.2) < 1e-12, 'α = 2ε/(3 m H)')
  // T = 9 Lc² H² R²/(4 ε²): the width cancels.
  t.equal(steps, Math.ceil((9 * 4 * 1.5 ** 2) / (4 * 0.01)))
  t.same(
    quantities.map(q => q.constant),
    ['unknown', 'derived', 'derived'],
  )
  t.match(quantities[0], { formula: /Θ/, note: /does not give the constants/ })
})

t.test('what the theorems cannot take is refused with what to use', async t => {
  const given = { ...huber, ...sincos, radius: 1, epsilon: 0.1 }
  const infinite = Number.POSITIVE_INFINITY
  t.throws(() => theorem51Plan({ ...given, c2: infinite }), {
    constructor: SaddleError,
    code: 'CONFIG',
    message: /gs:0.5/,
  })
  t.throws(() => theorem51Plan({ ...given, c1: infinite }), { code: 'CONFIG' })
  t.throws(() => theorem51Plan({ ...given, lipschitz: infinite }), { code: 'CONFIG' })
  for (const wrong of [{ radius: 0 }, { epsilon: -1 }, { epsilon: Number.NaN }])
    t.throws(() => theorem51Plan({ ...given, ...wrong }), { code: 'RANGE' })
  const deep = { ...huber, radius: 1, epsilon: 0.1, depth: 2, dimension: 3 }
  t.throws(() => theorem41Plan({ ...deep, depth: 1.5 }), { code: 'RANGE' })
  t.throws(() => theorem41Plan({ ...deep, depth: 0 }), { code: 'RANGE' })
})

const loss = lossFrom('huber:1')

/** Two-sided PGD: ascends +f and −f from x, and keeps for each example the point of the largest loss met. */
const twoSided = (
  network: Network,
  parameters: Parameters,
  x: tf.Tensor2D,
  y: tf.Tensor1D,
  delta: number,
  steps: number,
): tf.Tensor2D =>
  tf.tidy(() => {
    const set = l2Cap(delta)
    const lossAt = (z: tf.Tensor2D) => loss.value(network.forward(parameters, z), y)
    let best = x
    let largest = lossAt(x)
    for (const sign of [1, -1]) {
      let z = x
      for (let k = 0; k < steps; k++) {
        const { gradient } = network.inputGradient(parameters, z, f => tf.fill(f.shape, sign))
        const step = tf.mul(set.steepest(z, gradient), delta / 2)
        z = set.project(x, tf.add(z, step))
        const reached = lossAt(z)
        const better = tf.greater(reached, largest)
        best = tf.where(tf.expandDims(better, 1), z, best)
        largest = tf.maximum(reached, largest)
      }
    }
    return best
  })

t.test('Theorem 5.1 literally: plan, train without projection, succeed before T', async t => {
  const [n, d, delta, epsilon, seed] = [8, 4, 0.05, 0.2, 5]
  const { inputs, x, y } = spherePoints(n, d, 68)
  const activation = activationFrom('sincos')
  const target = kernelInterpolant(twoLayerKernel(activation), inputs, y.dataSync<'float32'>(), d)
  // R bounds ‖W† − W_0‖_F, which is ‖f*‖ up to 1/√m: 5 % for good measure.
  const radius = 1.05 * target.norm
  const plan = theorem51Plan({ ...huber, ...activation, radius, epsilon })
  const { width, stepSize } = plan

  const network = twoLayerNetwork({ inputs: d, width, activation: 'sincos' })
  const parameters = network.initialise(seed)
  const displacements = theorem52Comparator(network, parameters, target)
  const comparator = {
    displacements,
    parameters: displaced(network, seed, displacements, restoreWeights),
  }
  const theirs = twoSided(network, comparator.parameters, x, y, delta, 20)
  const robustLoss = tf.tidy(
    () => tf.mean(loss.value(network.forward(comparator.parameters, theirs), y)).dataSync()[0]!,
  )

  let state: RegretState = initialRegret
  let success = -1
  let leastLoss = Number.POSITIVE_INFINITY
  const after = 20
  for (let step = 0; step < plan.steps && (success < 0 || step < success + after); step++) {
    const attacked = twoSided(network, parameters, x, y, delta, 4)
    const run = { network, loss, y, stepSize, radius: null, comparator }
    const { terms, measures, loss: robust } = trainStep(run, parameters, attacked)
    attacked.dispose()
    state = updateRegret(state, terms!, { stepSize, gradientNorm: measures.gradientNorm })
    leastLoss = Math.min(leastLoss, robust)
    const { gap, linearisation, distanceSquared, projectedSquared } = terms!
    if (step === 0 && distanceSquared > radius ** 2) t.fail('W† lies outside of R')
    if (success < 0 && gap <= epsilon) success = step
    if (measures.distances[0]!.distance > 2 * radius) t.fail(`step ${step}: farther than 2R`)
    if (measures.gradientNorm > activation.c1) t.fail(`step ${step}: (a) ‖g‖ > Lc C1`)
    // One float32 rounding of outputs of order one, beside the bound itself.
    const bound = (activation.c2 * distanceSquared) / (2 * Math.sqrt(width)) + 1e-6
    if (Math.abs(linearisation) > bound) t.fail(`step ${step}: (b) ${linearisation} > ${bound}`)
    // Distances are sums of float32 squares of order 10: a relative 1e-7 of them.
    const fall = distanceSquared - projectedSquared
    if (success < 0 && fall < (stepSize * epsilon) / 2 - 1e-6)
      t.fail(`step ${step}: ‖W − W†‖² fell by ${fall} only`)
  }
  t.ok(success > 0 && success < plan.steps, `gap ≤ ε at step ${success} of T = ${plan.steps}`)
  t.ok(leastLoss <= robustLoss + epsilon, `min L_A = ${leastLoss} ≤ ${robustLoss} + ε`)
  const report = reportRegret(state)!
  t.ok(report.worst.violation <= 2e-6, `C1: ${report.worst.violation} ≤ 0`)
  t.ok(report.worst.residual <= 1e-6, `C2: ${report.worst.residual} = 0`)
  t.equal(report.worst.projectionGain, 0, 'C3: no projection, no gain')
  t.ok(report.averageGap <= report.bound, `C4: ${report.averageGap} ≤ ${report.bound}`)
})
