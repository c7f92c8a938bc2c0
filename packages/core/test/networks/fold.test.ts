import '@tensorflow/tfjs'
import { deepReluNetwork, foldFrom, type Matrix, projectedStep, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { normals, scoped } from './reference.js'
import { meanIs } from './statistics.js'

t.before(() => useBackend('wasm'))

t.test('M of a folded layer has the law of AᵀA, and B_0 that of W⁽¹⁾_0 A', t => {
  // E M_ii = 2, Var M_ii = 8/m, Var M_ij = 4/m; E B_ij² = 4/m, and rows of B_0 given M have covariance 2M/m.
  for (const [m, d] of [
    [12, 5],
    [5, 5],
    [3, 5],
  ] as const) {
    const draws = Array.from({ length: 2000 }, (_, seed) => {
      const [first] = deepReluNetwork({ inputs: d, width: m }).initialise(seed).trained
      return { metric: first!.folded!.metric, b: first!.initial }
    })
    const entry = (i: number, j: number) => draws.map(({ metric }) => metric.data[i * d + j]!)
    const at = `m=${m} d=${d}`
    for (const i of [0, d - 1]) {
      meanIs(t, entry(i, i), 2, `${at}: M_${i}${i}`)
      const spread = entry(i, i).map(v => (v - 2) ** 2)
      meanIs(t, spread, 8 / m, `${at}: variance of M_${i}${i}`)
    }
    meanIs(t, entry(d - 1, 0), 0, `${at}: M_${d - 1}0`)
    const offDiagonal = entry(d - 1, 0).map(v => v ** 2)
    meanIs(t, offDiagonal, 4 / m, `${at}: variance of M_${d - 1}0`)
    const byRow = draws.map(
      ({ metric, b }) => b.data[d - 1]! * b.data[0]! - (2 / m) * metric.data[d - 1]!,
    )
    meanIs(t, byRow, 0, `${at}: covariance in a row of B_0, given M`)
    const square = draws.map(({ b }) => b.data[(m - 1) * d + d - 1]! ** 2)
    meanIs(t, square, 4 / m, `${at}: variance of B_0`)
    t.ok(
      draws.every(({ metric }) => metric.data[1] === metric.data[d]),
      'M is symmetric',
    )
  }
  t.end()
})

const FOLDED = (['paper', 'mirrored', 'subtract'] as const).flatMap(init =>
  [1, 2, 3].flatMap(depth =>
    [1, 2].map(outputs => ({ inputs: 5, width: 24, init, depth, outputs }) as const),
  ),
)

t.test('folded equals dense from the same W⁽¹⁾_0 over 25 projected adversarial steps', t => {
  const n = 6
  for (const options of FOLDED) {
    const forms = (['dense', 'folded'] as const).map(first =>
      deepReluNetwork({ ...options, first }),
    )
    const [slow, fast] = forms as [(typeof forms)[0], (typeof forms)[0]]
    const start = slow.initialise(3)
    const both = [
      { network: slow, parameters: start },
      { network: fast, parameters: foldFrom(start) },
    ]
    const x = normals(n * 5, 1, 1 / Math.sqrt(5))
    const y = normals(n * options.outputs, 2)
    let worst = 0
    let projected = 0
    for (let step = 0; step < 25; step++) {
      const [a, b] = both.map(({ network, parameters }) =>
        scoped(() => {
          const centre = tf.tensor2d(x, [n, 5])
          const residual = (f: tf.Tensor2D): tf.Tensor2D =>
            tf.div(tf.sub(f, tf.tensor2d(y, [n, options.outputs])), n)
          // the attack: one step of ascent, length at most 0.1
          const { gradient } = network.inputGradient(parameters, centre, residual)
          const moved: tf.Tensor2D = tf.add(
            centre,
            tf.mul(tf.clipByValue(gradient, -0.1, 0.1), 0.4),
          )
          const { outputs, factors } = network.gradientFactors(parameters, moved, residual)
          const measures = projectedStep(
            parameters,
            network,
            factors,
            0.7 / (24 * options.depth),
            0.3,
          )
          return { f: outputs.dataSync(), measures }
        }),
      )
      a!.f.forEach((v, i) => {
        worst = Math.max(worst, Math.abs(v - b!.f[i]!))
      })
      a!.measures.distances.forEach(({ group, distance }, i) => {
        t.ok(
          Math.abs(distance - b!.measures.distances[i]!.distance) < 1e-4,
          `${group}: ${distance}`,
        )
      })
      projected += a!.measures.projected ? 1 : 0
    }
    // float32 rounding (1e-6 of f ~ 1) over 25 steps, each of which passes it on
    t.ok(worst < 1e-4, `${JSON.stringify(options)}: outputs differ by ${worst}`)
    t.ok(projected > 0, `the projection acted on ${projected} steps`)
  }
  t.end()
})

t.test('for m < d a folded net draws the very A and W⁽¹⁾_0 of the dense one', t => {
  const options = { inputs: 9, width: 4, depth: 2 } as const
  const wanted = foldFrom(deepReluNetwork({ ...options, first: 'dense' }).initialise(5))
  const got = deepReluNetwork(options).initialise(5)
  // the dense form rounds A and W to float32 before the product
  const close = (a: Matrix, b: Matrix) => a.data.every((v, i) => Math.abs(v - b.data[i]!) < 1e-6)
  t.ok(close(got.trained[0]!.initial, wanted.trained[0]!.initial))
  t.ok(close(got.trained[0]!.folded!.metric, wanted.trained[0]!.folded!.metric))
  t.same(got.trained[1]!.initial.data, wanted.trained[1]!.initial.data)
  t.end()
})

t.test('foldFrom refuses parameters without A, and trained ones', t => {
  const network = deepReluNetwork({ inputs: 3, width: 4, first: 'dense' })
  const parameters = network.initialise(1)
  parameters.trained[0]!.displacement.data[2] = 1e-3
  t.throws(() => foldFrom(parameters), { code: 'RANGE', message: /layers\.1/ })
  const folded = deepReluNetwork({ inputs: 3, width: 4 }).initialise(1)
  t.throws(() => foldFrom(folded), { code: 'RANGE', message: /first: dense/ })
  t.end()
})
