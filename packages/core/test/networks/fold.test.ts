import '@tensorflow/tfjs'
import { deepReluNetwork, foldFrom, projectedStep, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { type Dense, dense, normals, scoped } from './reference.js'
import { meanIs } from './statistics.js'

t.before(() => useBackend('wasm'))

/** XᵀY for X: [rows, p], Y: [rows, q], float64. */
function transposedProduct(x: Dense, y: Dense): Dense {
  const data = new Float64Array(x.cols * y.cols)
  for (let k = 0; k < x.rows; k++)
    for (let i = 0; i < x.cols; i++)
      for (let j = 0; j < y.cols; j++)
        data[i * y.cols + j]! += x.data[k * x.cols + i]! * y.data[k * y.cols + j]!
  return { rows: x.cols, cols: y.cols, data }
}

/** X Y, float64. */
function product(x: Dense, y: Dense): Dense {
  const transposed = new Float64Array(x.rows * x.cols)
  for (let i = 0; i < x.rows; i++)
    for (let k = 0; k < x.cols; k++) transposed[k * x.rows + i] = x.data[i * x.cols + k]!
  return transposedProduct({ rows: x.cols, cols: x.rows, data: transposed }, y)
}

const worstGap = (a: Dense, b: Dense) =>
  a.data.reduce((worst, v, i) => Math.max(worst, Math.abs(v - b.data[i]!)), 0)

t.test('FᵀF of a folded layer has the law of AᵀA, and U_0 F that of W⁽¹⁾_0 A', t => {
  // With M = FᵀF and B = U_0 F: E M_ii = 2, Var M_ii = 8/m, Var M_ij = 4/m; E B_ij² = 4/m, and rows of B given M have
  // covariance 2M/m.
  for (const [m, d] of [
    [12, 5],
    [5, 5],
    [3, 5],
  ] as const) {
    const draws = Array.from({ length: 2000 }, (_, seed) => {
      const { trained, frozen } = deepReluNetwork({ inputs: d, width: m }).initialise(seed)
      const f = dense(frozen.input!)
      return { f, m: transposedProduct(f, f), b: product(dense(trained[0]!.initial), f) }
    })
    const entry = (i: number, j: number) => draws.map(({ m }) => m.data[i * d + j]!)
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
      ({ m: metric, b }) => b.data[d - 1]! * b.data[0]! - (2 / m) * metric.data[d - 1]!,
    )
    meanIs(t, byRow, 0, `${at}: covariance in a row of U_0 F, given M`)
    const square = draws.map(({ b }) => b.data[(m - 1) * d + d - 1]! ** 2)
    meanIs(t, square, 4 / m, `${at}: variance of U_0 F`)
    const [{ f }] = draws as [(typeof draws)[0]]
    t.same([f.rows, f.cols], [Math.min(m, d), d])
    const { upper } = deepReluNetwork({ inputs: d, width: m }).initialise(1).frozen.input!
    t.equal(upper === true, m >= d)
    if (m >= d) t.ok(f.data.every((v, i) => i % d >= Math.floor(i / d) || v === 0))
  }
  t.end()
})

t.test('foldFrom: U F = W⁽¹⁾A and FᵀF = AᵀA, for columns far from orthogonal too', t => {
  for (const [m, d, lean] of [
    [24, 7, 0],
    [7, 7, 0],
    [24, 7, 1e3],
  ] as const) {
    const parameters = deepReluNetwork({ inputs: d, width: m, first: 'dense' }).initialise(8)
    const { data } = parameters.frozen.input!
    // a common part `lean` times as long as what tells the columns apart
    for (let r = 0; r < m; r++) for (let j = 1; j < d; j++) data[r * d + j]! += lean * data[r * d]!
    const folded = foldFrom(parameters)
    const [a, f] = [dense(parameters.frozen.input!), dense(folded.frozen.input!)]
    const [w, u] = [parameters, folded].map(({ trained }) => dense(trained[0]!.initial))
    // entries of A are about 1 + lean; U and F are rounded once, to 6e-8 of their entries
    const scale = 1 + lean
    t.equal(folded.frozen.input!.upper, true)
    t.ok(f.data.every((v, i) => i % d >= Math.floor(i / d) || v === 0))
    t.ok(worstGap(product(u!, f), product(w!, a)) < 1e-6 * scale, `m=${m} d=${d}: U F = W A`)
    const gap = worstGap(transposedProduct(f, f), transposedProduct(a, a))
    t.ok(gap < 1e-6 * scale ** 2, `m=${m} d=${d}: FᵀF = AᵀA, up to ${gap}`)
    // Q keeps lengths, so that U has those of W on the columns' span: for m = d, of all of W
    const size = (x: Dense) => Math.sqrt(x.data.reduce((sum, v) => sum + v * v, 0))
    if (m === d) t.ok(Math.abs(size(u!) / size(w!) - 1) < 1e-6)
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

t.test('for m < d the folded form is the dense one, drawn or folded', t => {
  const options = { inputs: 9, width: 4, depth: 2 } as const
  const dense = deepReluNetwork({ ...options, first: 'dense' }).initialise(5)
  for (const got of [deepReluNetwork(options).initialise(5), foldFrom(dense)]) {
    t.same(got.frozen.input!.data, dense.frozen.input!.data)
    got.trained.forEach(({ initial }, h) => {
      t.same(initial.data, dense.trained[h]!.initial.data)
    })
  }
  t.end()
})

t.test('foldFrom refuses parameters without A, trained ones, and an A of lower rank', t => {
  const network = deepReluNetwork({ inputs: 3, width: 4, first: 'dense' })
  const parameters = network.initialise(1)
  parameters.trained[0]!.displacement.data[2] = 1e-3
  t.throws(() => foldFrom(parameters), { code: 'RANGE', message: /layers\.1/ })
  const none = { ...network.initialise(1), frozen: {} }
  t.throws(() => foldFrom(none), { code: 'RANGE', message: /first: dense/ })
  const flat = network.initialise(1)
  const { data } = flat.frozen.input!
  for (let r = 0; r < 4; r++) data[3 * r + 2] = -2 * data[3 * r]!
  t.throws(() => foldFrom(flat), { code: 'RANGE', message: /column 2/ })
  t.end()
})
