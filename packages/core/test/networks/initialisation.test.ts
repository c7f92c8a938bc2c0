import '@tensorflow/tfjs'
import {
  deepReluNetwork,
  foldFrom,
  type Matrix,
  type NetworkSpec,
  networkFrom,
  type Parameters,
  projectedStep,
  twoLayerNetwork,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { dense, normals, scoped, times } from './reference.js'

/** Asserts that the mean of `samples` is `wanted` within three standard errors. */
function meanIs(t: Tap, samples: readonly number[], wanted: number, what: string): void {
  const n = samples.length
  const mean = samples.reduce((sum, v) => sum + v, 0) / n
  const variance = samples.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1)
  const error = Math.sqrt(variance / n)
  t.ok(Math.abs(mean - wanted) <= 3 * error, `${what}: ${mean} ± ${error}, predicted ${wanted}`)
}
type Tap = { ok(value: boolean, message: string): unknown }

const squared = (v: ArrayLike<number>) => {
  let sum = 0
  for (let i = 0; i < v.length; i++) sum += v[i]! ** 2
  return sum
}

/** xᵀ M x */
function quadratic(metric: Matrix, x: Float32Array): number {
  return times(dense(metric), Float64Array.from(x)).reduce((sum, v, i) => sum + v * x[i]!, 0)
}

const D = 8

/** The quantities of N3–N6 at one unit point, of one network drawn from `seed`. */
function draw(depth: number, width: number, first: 'folded' | 'dense', seed: number) {
  const network = deepReluNetwork({ inputs: D, width, depth, first })
  const parameters = network.initialise(seed)
  const raw = normals(D, 1000 + seed)
  const norm = Math.sqrt(squared(raw))
  const x = raw.map(v => v / norm)
  return scoped(() => {
    const point = tf.tensor2d(x, [1, D])
    const one = (f: tf.Tensor2D) => tf.onesLike(f)
    const { outputs, factors } = network.gradientFactors(parameters, point, one)
    const { gradient } = network.inputGradient(parameters, point, one)
    const metric = parameters.trained[0]!.folded?.metric
    const inputs = factors.map(({ input }, h) =>
      h === 0 && metric !== undefined ? quadratic(metric, x) : squared(input.dataSync()),
    )
    const signals = factors.map(({ signal }) => squared(signal.dataSync()))
    return {
      f: outputs.dataSync()[0]!,
      inputs,
      signals,
      gradients: signals.map((p, h) => p * inputs[h]!),
      inputGradient: squared(gradient.dataSync()),
    }
  })
}

t.before(() => useBackend('wasm'))

t.test('eq. (1) starts as N3 to N6 say, folded and dense', t => {
  for (const [depth, width, first, seeds] of [
    [1, 64, 'folded', 400],
    [2, 64, 'folded', 400],
    [3, 64, 'folded', 300],
    [3, 64, 'dense', 200],
    // wider than the inputs are many, and not: the two ways to draw a folded layer
    [2, 6, 'folded', 1500],
  ] as const) {
    const nets = Array.from({ length: seeds }, (_, seed) => draw(depth, width, first, seed))
    const at = `H=${depth} m=${width} ${first}`
    for (let h = 0; h < depth; h++) {
      const layer = <K extends 'inputs' | 'signals' | 'gradients'>(key: K) =>
        nets.map(net => net[key][h]!)
      meanIs(t, layer('inputs'), 2, `${at}: N3, ‖x^(${h})‖²`)
      meanIs(t, layer('signals'), width / 2, `${at}: N5, ‖p^(${h + 1})‖²`)
      meanIs(t, layer('gradients'), width, `${at}: N5, ‖∇ f‖² in W^(${h + 1})`)
    }
    const f = nets.map(net => net.f)
    meanIs(t, f, 0, `${at}: N4, f`)
    meanIs(
      t,
      f.map(v => v ** 2),
      2,
      `${at}: N4, f²`,
    )
    const fourth = 12 * (1 + 2 / width) * (1 + 5 / width) ** depth
    meanIs(
      t,
      f.map(v => v ** 4),
      fourth,
      `${at}: N4, f⁴`,
    )
    meanIs(
      t,
      nets.map(net => net.inputGradient),
      2 * D,
      `${at}: N6, ‖∇_x f‖²`,
    )
  }
  t.end()
})

t.test('entries have the variances of N2 and N8', t => {
  const entries = (m: Matrix) => [...m.data]
  const varianceIs = (m: Matrix, variance: number, what: string) => {
    meanIs(t, entries(m), 0, `${what}: mean`)
    meanIs(
      t,
      entries(m).map(v => v ** 2),
      variance,
      `${what}: variance`,
    )
  }
  const deep = deepReluNetwork({ inputs: 40, width: 100, depth: 2, outputs: 50, first: 'dense' })
  const { trained, frozen } = deep.initialise(1)
  for (const { name, weights } of trained) varianceIs(weights, 2 / 100, name)
  varianceIs(frozen.input!, 2 / 100, 'A')
  varianceIs(frozen.output!, 1, 'a')

  const pair = twoLayerNetwork({ inputs: 40, width: 200, outputs: 50 }).initialise(1)
  varianceIs(pair.trained[0]!.weights, 1, 'w')
  t.same(pair.trained[1]!.weights.data, pair.trained[0]!.weights.data, 'w̄ = w')
  t.ok(entries(pair.frozen.output!).every(v => Math.abs(v) === 1))
  meanIs(t, entries(pair.frozen.output!), 0, 'a')
  t.end()
})

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

t.test('a seed decides every number, and different seeds differ', t => {
  const specs = [
    deepReluNetwork({ inputs: 4, width: 6, depth: 2 }),
    deepReluNetwork({ inputs: 6, width: 4, init: 'mirrored' }),
    deepReluNetwork({ inputs: 4, width: 6, first: 'dense' }),
    twoLayerNetwork({ inputs: 4, width: 64, outputs: 3 }),
  ]
  const numbers = ({ trained, frozen }: Parameters) => [
    ...trained.map(m => [...m.initial.data]),
    ...Object.values(frozen).map(m => [...m.data]),
  ]
  for (const network of specs) {
    const one = numbers(network.initialise(1))
    t.same(numbers(network.initialise(1)), one)
    numbers(network.initialise(2)).forEach((other, i) => {
      t.notSame(other, one[i])
    })
  }
  t.end()
})

t.test('rows do not depend on how many there are, so that any tile can be drawn again', t => {
  const w = (width: number) =>
    twoLayerNetwork({ inputs: 5, width }).initialise(9).trained[0]!.initial.data
  t.same(w(400).subarray(0, 50), w(20))
  t.end()
})

t.test('parameters start with W = W_0, displacement 0, in shared memory', t => {
  for (const network of [
    deepReluNetwork({ inputs: 4, width: 6, depth: 2, init: 'mirrored' }),
    deepReluNetwork({ inputs: 4, width: 6, init: 'subtract', first: 'dense' }),
    twoLayerNetwork({ inputs: 4, width: 6 }),
  ]) {
    const { trained, frozen } = network.initialise(4)
    for (const { weights, initial, displacement, folded } of trained) {
      t.same(weights.data, initial.data)
      t.not(weights.data.buffer, initial.data.buffer, 'but in memory of its own')
      t.ok(displacement.data.every(v => v === 0))
      const all = [weights, initial, displacement, ...(folded ? Object.values(folded) : [])]
      t.ok(
        [...all, ...Object.values(frozen)].every(m => m.data.buffer instanceof SharedArrayBuffer),
      )
    }
    t.same(
      network.ball.flatMap(({ names }) => names).sort(),
      trained.map(({ name }) => name).sort(),
      'every trained matrix is in one group of B(R)',
    )
  }
  t.same(deepReluNetwork({ inputs: 4, width: 16, depth: 2, init: 'mirrored' }).ball, [
    { names: ['layers.1+', 'layers.1-'], unit: 0.25 },
    { names: ['layers.2+', 'layers.2-'], unit: 0.25 },
  ])
  t.same(deepReluNetwork({ inputs: 4, width: 16, init: 'subtract' }).ball, [
    { names: ['layers.1'], unit: 0.25 },
  ])
  t.same(twoLayerNetwork({ inputs: 4, width: 16 }).ball, [
    { names: ['layers.1+', 'layers.1-'], unit: 1 },
  ])
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

t.test(
  'networkFrom builds from a spec what the factories build, and refuses what is no network',
  t => {
    const deep = deepReluNetwork({ inputs: 4, width: 6 })
    t.same(networkFrom(JSON.parse(JSON.stringify(deep.spec))).spec, deep.spec)
    const pair = twoLayerNetwork({ inputs: 4, width: 6, activation: 'gs:0.5' })
    t.same(
      networkFrom(pair.spec).initialise(1).trained[0]!.initial.data,
      pair.initialise(1).trained[0]!.initial.data,
    )
    t.equal(networkFrom(pair.spec).activation.name, 'gs:0.5')

    const refused: [Partial<Record<keyof NetworkSpec, unknown>>, NetworkSpec, string, RegExp][] = [
      [{ activation: 'tanh' }, deep.spec, 'CONFIG', /relu/],
      [{ init: 'symmetric' }, deep.spec, 'CONFIG', /paper, mirrored or subtract/],
      [{ width: 0 }, deep.spec, 'RANGE', /width/],
      [{ depth: 1.5 }, deep.spec, 'RANGE', /depth/],
      [{ outputs: -1 }, deep.spec, 'RANGE', /outputs/],
      [{ inputs: Number.NaN }, deep.spec, 'RANGE', /inputs/],
      [{ width: 7 }, pair.spec, 'RANGE', /even width/],
      [{ depth: 2 }, pair.spec, 'RANGE', /one hidden layer/],
      [{ init: 'paper' }, pair.spec, 'CONFIG', /symmetric/],
      [{ first: 'dense' }, pair.spec, 'CONFIG', /first/],
      [{ activation: 'nope' }, pair.spec, 'CONFIG', /nope/],
      [{ family: 'residual' }, pair.spec, 'CONFIG', /deep or two-layer/],
    ]
    for (const [change, spec, code, message] of refused)
      t.throws(() => networkFrom({ ...spec, ...change } as NetworkSpec), { code, message })
    t.end()
  },
)
