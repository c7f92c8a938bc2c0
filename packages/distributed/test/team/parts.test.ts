import { attackFrom } from '@saddle/attacks'
import {
  l2Ball,
  lossFrom,
  type NetworkSpec,
  networkFrom,
  openStream,
  sliceParameters,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import { needsOf } from '../../dist/recipes/recipe.js'
import { formsOf } from '../../dist/replica/workspace.js'
import { Exchange } from '../../dist/team/exchange.js'
import { SlicedNetwork } from '../../dist/team/sliced-network.js'
import { neuronSlices, rowsHeld, shareSlices, sliceShare } from '../../dist/team/slices.js'
import { chooseSplit } from '../../dist/team/split.js'
import { breakUp, createTeam } from '../../dist/team/team.js'
import { nodesOf } from '../../dist/team/tree.js'

const go = new Int32Array(new SharedArrayBuffer(4))

t.test('slices cut all rows, in multiples of 8, into at most 16', async t => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), rows => {
      const slices = neuronSlices(rows)
      t.ok(slices.length <= 16)
      t.equal(slices[0]!.start, 0)
      t.equal(slices.at(-1)!.stop, rows)
      for (const [i, { start, stop }] of slices.entries()) {
        if (start >= stop || start % 8 !== 0) t.fail(`${rows}: ${start}..${stop}`)
        if (i > 0 && start !== slices[i - 1]!.stop) t.fail(`${rows}: a gap before ${start}`)
      }
    }),
    { numRuns: 50 },
  )
  t.equal(neuronSlices(10_000_000).length, 16)
})

t.test('members share all slices, and none goes without', async t => {
  for (let slices = 1; slices <= 16; slices++)
    for (let members = 1; members <= slices; members++) {
      const shares = Array.from({ length: members }, (_, m) => sliceShare(slices, m, members))
      const mine = shares.flatMap(({ start, stop }) =>
        Array.from({ length: stop - start }, (_, i) => start + i),
      )
      t.same(
        mine,
        Array.from({ length: slices }, (_, i) => i),
      )
      if (shares.some(({ start, stop }) => start === stop)) t.fail(`${slices} of ${members}`)
    }
})

t.test('what ranks send of their slices are whole nodes of one tree', async t => {
  const whole = (slices: number) =>
    new Set(
      Array.from({ length: slices }, (_, i) => i).flatMap(start =>
        Array.from({ length: slices - start }, (_, i) => start + i + 1).flatMap(stop => {
          const [node, ...more] = nodesOf(slices, { start, stop })
          return more.length === 0 ? [`${node!.start}..${node!.stop}`] : []
        }),
      ),
    )
  for (let slices = 1; slices <= 16; slices++) {
    const tree = whole(slices)
    t.equal(tree.size, 2 * slices - 1, 'a binary tree over its leaves')
    for (let ranks = 1; ranks <= slices; ranks++) {
      const nodes = Array.from({ length: ranks }, (_, r) =>
        nodesOf(slices, sliceShare(slices, r, ranks)),
      )
      const flat = nodes.flat()
      if (flat.some(({ start, stop }) => !tree.has(`${start}..${stop}`))) t.fail(`${slices}`)
      t.same([flat[0]!.start, flat.at(-1)!.stop], [0, slices])
      t.ok(flat.every(({ start }, i) => i === 0 || start === flat[i - 1]!.stop))
      if (slices % ranks === 0 && Number.isInteger(Math.log2(ranks)))
        t.equal(flat.length, ranks, 'one part a rank')
    }
  }
})

t.test('a rank draws its own neurons alone, the same numbers as in the whole', async t => {
  for (const [name, shape] of Object.entries(SHAPES)) {
    const network = networkFrom({ ...shape, outputs: 3 })
    const whole = network.initialise(3)
    const { rows } = whole.trained[0]!.weights
    for (const rank of [0, 1, 2]) {
      const { start, stop } = rowsHeld(shareSlices(rows, rank, 3))
      const own = network.initialise(3, { start, stop })
      const expected = sliceParameters(whole, start, stop)
      t.same(own, expected, `${name}, rank ${rank}`)
      const { buffer } = own.trained[0]!.weights.data
      t.ok(buffer.byteLength < whole.trained[0]!.weights.data.byteLength)
    }
  }
  const deeper = networkFrom({ ...SHAPES.paper!, depth: 2, outputs: 1 })
  t.throws(() => deeper.initialise(3, { start: 0, stop: 8 }), { code: 'SHAPE' })
  t.throws(() => shareSlices(40, 0, 6), { code: 'CONFIG', message: /at most 5 ranks/ })
})

const BASE = { family: 'deep', activation: 'relu', depth: 1 } as const
const SHAPES: Record<string, Omit<NetworkSpec, 'outputs'>> = {
  paper: { ...BASE, inputs: 5, width: 40, init: 'paper' },
  subtract: { ...BASE, inputs: 5, width: 40, init: 'subtract' },
  mirrored: { ...BASE, inputs: 5, width: 40, init: 'mirrored' },
  'with a map that widens': { ...BASE, inputs: 5, width: 40, init: 'paper', first: 'dense' },
  'with a map that narrows': { ...BASE, inputs: 30, width: 20, init: 'paper', first: 'dense' },
  'two-layer': {
    family: 'two-layer',
    activation: 'gs:0.5',
    inputs: 5,
    width: 80,
    depth: 1,
    init: 'symmetric',
  },
}

/** A network away from its start, its slices, and points. */
function setUp(spec: NetworkSpec, n = 6) {
  const network = networkFrom(spec)
  const parameters = network.initialise(3)
  const stream = openStream({ seed: 4, purpose: 'test' })
  for (const { weights } of parameters.trained)
    for (let i = 0; i < weights.data.length; i++) weights.data[i]! += 0.1 * stream.normal()
  const { inputs, outputs } = spec
  const share = shareSlices(parameters.trained[0]!.weights.rows, 0, 1)
  const team = createTeam(share, { examples: n, inputs, outputs })
  const exchange = new Exchange(team, { member: 0, members: 1 }, go)
  const sliced = new SlicedNetwork(network, parameters, team, exchange)
  const points = new Float32Array(n * inputs)
  stream.fillNormal(points, 1 / Math.sqrt(inputs))
  return { network, parameters, team, sliced, x: tf.tensor2d(points, [n, inputs]) }
}

/** Largest difference, relative to the largest entry. */
function apart(got: tf.Tensor, wanted: tf.Tensor): number {
  const largest = (x: tf.Tensor) => tf.max(tf.abs(x)).dataSync()[0]!
  return largest(tf.sub(got, wanted)) / largest(wanted)
}

// Sums of some 40 float32 terms in two orders.
const TOLERANCE = 2e-6

for (const [name, shape] of Object.entries(SHAPES))
  for (const outputs of [1, 3])
    t.test(`${name}, c = ${outputs}: a network in slices is the network`, async t => {
      await useBackend('cpu')
      const { network, parameters, sliced, team, x } = setUp({ ...shape, outputs })
      t.ok(team.slices.length >= 3)
      const before = tf.memory().numTensors
      tf.tidy(() => {
        const cotangent = (f: tf.Tensor2D) => tf.add(tf.square(f), 0.5) as tf.Tensor2D
        t.ok(apart(sliced.forward(x), network.forward(parameters, x)) < TOLERANCE, 'forward')
        const got = sliced.inputGradient(x, cotangent)
        const wanted = network.inputGradient(parameters, x, cotangent)
        t.ok(apart(got.outputs, wanted.outputs) < TOLERANCE, 'outputs beside the gradient')
        t.ok(apart(got.gradient, wanted.gradient) < TOLERANCE, 'input gradient')
        const whole = network.gradientFactors(parameters, x, cotangent)
        const rows = new Map<number, tf.Tensor[]>()
        const f = sliced.gradientFactors(x, cotangent, (factors, firstRow) => {
          const products = factors.map(({ signal, input }) => tf.keep(tf.matMul(signal, input)))
          rows.set(firstRow, products)
        })
        t.ok(apart(f, whole.outputs) < TOLERANCE, 'outputs beside the factors')
        t.same(
          [...rows.keys()].sort((a, b) => a - b),
          team.slices.map(({ start }) => start),
        )
        whole.factors.forEach(({ signal, input }, matrix) => {
          const parts = team.slices.map(({ start }) => rows.get(start)![matrix] as tf.Tensor2D)
          t.ok(
            apart(tf.concat2d(parts, 0), tf.matMul(signal, input)) < TOLERANCE,
            `gradient ${matrix}`,
          )
        })
        tf.dispose([...rows.values()].flat())
      })
      t.equal(tf.memory().numTensors, before, 'no tensor is left')
    })

t.test('an attack on slices finds the points of the attack on the whole', async t => {
  await useBackend('cpu')
  const { network, parameters, sliced, x } = setUp({ ...SHAPES.paper!, outputs: 1 })
  const attack = attackFrom({
    kind: 'pgd',
    steps: 3,
    stepSize: 0.5,
    restarts: 2,
    start: 'uniform',
    objective: 'two-sided',
    keepBest: true,
  })
  const y = tf.tensor1d([1, -1, 1, -1, 1, -1])
  const options = {
    set: l2Ball(0.2),
    loss: lossFrom('huber:1'),
    key: { seed: 1, purpose: 'attack', step: 0, examples: [0, 1, 2, 3, 4, 5] },
  }
  const whole = attack.run(
    {
      outputs: 1,
      forward: p => network.forward(parameters, p),
      inputGradient: (p, c) => network.inputGradient(parameters, p, c),
    },
    x,
    y,
    options,
  )
  t.ok(apart(attack.run(sliced, x, y, options).point, whole.point) < 1e-5)
})

t.test('a member of a team that was broken up says so, and one that is to stop stops', async t => {
  await useBackend('cpu')
  const { sliced, team, x } = setUp({ ...SHAPES.paper!, outputs: 1 })
  const stop = Int32Array.from(go)
  Atomics.store(go, 0, 1)
  t.throws(() => sliced.forward(x), { code: 'STOPPED' })
  go.set(stop)
  breakUp(team)
  t.throws(() => sliced.forward(x), { code: 'WORKER', fields: { brokenUp: true } })
})

t.test('auto splits what sends fewer numbers; deeper networks split examples', async t => {
  const pgd = {
    kind: 'pgd',
    steps: 2,
    stepSize: 1,
    restarts: 1,
    start: 'clean',
    objective: 'loss',
    keepBest: false,
  } as const
  const network = (width: number, inputs: number, depth = 1): NetworkSpec => ({
    ...BASE,
    width,
    inputs,
    depth,
    outputs: 1,
    init: 'paper',
  })
  const choose = (
    spec: NetworkSpec,
    options: Partial<Parameters<typeof chooseSplit>[2]> & { batch: number },
  ) => {
    const { width: rows, inputs: cols, depth } = spec
    const trained = Array.from({ length: depth }, () => ({ name: 'layers.1', rows, cols }))
    const forms = formsOf(trained, options.batch)
    return chooseSplit(spec, forms, {
      asked: 'auto',
      needs: needsOf(pgd, depth),
      shard: 128,
      ...options,
    })
  }
  t.same(choose(network(10_000_000, 10), { batch: 16 }), {
    by: 'neurons',
    examples: 10_000_000 * 10,
    neurons: 4 * 16 * 16 * 11,
  })
  t.equal(choose(network(65_536, 784), { batch: 16 }).by, 'neurons')
  const longer = { ...pgd, steps: 20, objective: 'two-sided' } as const
  t.same(choose(network(65_536, 784), { batch: 16, needs: needsOf(longer, 1) }), {
    by: 'examples',
    examples: 16 * (65_536 + 784),
    neurons: 42 * 16 * 16 * 785,
  })
  t.equal(choose(network(512, 10), { batch: 16 }).by, 'examples')
  t.equal(choose(network(512, 10), { batch: 16, asked: 'neurons' }).by, 'neurons')
  t.equal(choose(network(10_000_000, 10), { batch: 16, asked: 'examples' }).by, 'examples')
  t.same(
    choose(network(1000, 10), { batch: 5000 }).examples,
    40 * 1000 * 10,
    'dense gradients are sent once a shard',
  )
  t.match(choose(network(4096, 4096, 2), { batch: 16 }), { by: 'examples', neurons: null })
})
