import '@tensorflow/tfjs'
import {
  deepReluNetwork,
  type Matrix,
  type NetworkSpec,
  networkFrom,
  type Parameters,
  twoLayerNetwork,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { BLOCKED, describe, INPUTS, N, passesOf, SPECS } from './cases.js'
import { normals, scoped } from './reference.js'
import { meanIs } from './statistics.js'

const squared = (v: ArrayLike<number>) => {
  let sum = 0
  for (let i = 0; i < v.length; i++) sum += v[i]! ** 2
  return sum
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
    const inputs = factors.map(({ input }) => squared(input.dataSync()))
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

t.beforeEach(() => useBackend('wasm'))

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
    for (const { weights, initial, displacement } of trained) {
      t.same(weights.data, initial.data)
      t.not(weights.data.buffer, initial.data.buffer, 'but in memory of its own')
      t.ok(displacement.data.every(v => v === 0))
      const all = [weights, initial, displacement]
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

for (const backend of ['cpu', 'wasm'])
  t.test(`on ${backend} f and its input gradient are 0 to the last bit at the start`, async t => {
    await useBackend(backend)
    const zeroAtStart = SPECS.filter(({ init }) => init !== 'paper')
    const odd: NetworkSpec[] = [
      { ...SPECS.at(-1)!, inputs: 3, width: 2, activation: 'tanh' },
      { ...SPECS.at(-1)!, inputs: 33000, width: 40, activation: 'relu' },
      { ...SPECS[0]!, inputs: 5, width: 33, depth: 3, init: 'mirrored' },
      { ...SPECS[0]!, inputs: 9, width: 900, depth: 2, init: 'subtract' },
    ]
    const blocked = BLOCKED.filter(({ init, outputs }) => init !== 'paper' && outputs === 2)
    for (const spec of [...zeroAtStart, ...odd, ...blocked]) {
      const network = networkFrom(spec)
      const parameters = network.initialise(2)
      const x = normals(3 * spec.inputs, 1, 1 / Math.sqrt(spec.inputs))
      const { outputs, outputsBeside, inputGradient } = passesOf(
        network,
        parameters,
        x,
        normals(3 * spec.outputs, 4),
      )
      const all = [outputs, ...outputsBeside, inputGradient].flatMap(v => [...v])
      t.ok(all.length > 0 && all.every(v => v === 0), describe(spec))
    }
  })

t.test('the first layer of a mirrored or subtracted net has a gradient at the start', async t => {
  await useBackend('cpu')
  for (const init of ['mirrored', 'subtract'] as const) {
    const network = networkFrom({ ...SPECS[0]!, depth: 3, init })
    const { weightGradients } = passesOf(
      network,
      network.initialise(1),
      normals(N * INPUTS, 1),
      normals(N, 2),
    )
    for (const gradient of weightGradients) t.ok(gradient.some(v => Math.abs(v) > 1e-3))
  }
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
