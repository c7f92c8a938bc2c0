import { type Follower, type NetworkSpec, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { BLOCKED, describe, SPECS, setUp, worst } from './cases.js'
import { normals, scoped } from './reference.js'

const missing = await useBackend('blas').then(
  () => false as const,
  (error: Error) => error.message,
)

const FOLLOWED = SPECS.filter(({ outputs, activation }) => outputs === 1 && activation === 'relu')

/** A walk: small steps flip few neurons, and every third goes somewhere else. */
function walk(size: number, steps: number): Float32Array[] {
  let at = normals(size, 3)
  return Array.from({ length: steps }, (_, k) => {
    const by = normals(size, 100 + k)
    at = k % 3 === 2 ? by : at.map((v, j) => v + 0.01 * by[j]!)
    return at
  })
}

/** Both passes at each point of a walk, as numbers. */
function along(
  points: readonly Float32Array[],
  c: Float32Array,
  { inputGradient, gradientFactors }: Follower,
) {
  return points.map(point =>
    scoped(() => {
      const x = tf.tensor2d(Float32Array.from(point), [c.length, point.length / c.length])
      const cotangent = () => tf.tensor2d(c, [c.length, 1])
      const numbers = (tensor: tf.Tensor) => Float32Array.from(tensor.dataSync())
      const towardsInput = inputGradient(x, cotangent)
      const [outputs, gradient] = [towardsInput.outputs, towardsInput.gradient].map(numbers)
      const towardsWeights = gradientFactors(x, cotangent)
      return {
        outputs: outputs!,
        gradient: gradient!,
        outputsBeside: numbers(towardsWeights.outputs),
        names: towardsWeights.factors.map(({ name }) => name),
        weights: towardsWeights.factors.map(({ signal, input }) =>
          numbers(tf.matMul(signal, input)),
        ),
      }
    }),
  )
}

/** The passes of a follower on `backend`, and the plain ones on the CPU backend, along one walk. */
async function both(backend: string, spec: NetworkSpec, n: number, steps: number) {
  const { network, parameters } = setUp(spec)
  const points = walk(n * spec.inputs, steps)
  const c = normals(n, 5)
  await useBackend('cpu')
  const wanted = along(points, c, {
    inputGradient: (x, cotangent) => network.inputGradient(parameters, x, cotangent),
    gradientFactors: (x, cotangent) => network.gradientFactors(parameters, x, cotangent),
  })
  await useBackend(backend)
  return { got: along(points, c, network.follow(parameters)), wanted }
}

function errorsAt(k: number, { got, wanted }: Awaited<ReturnType<typeof both>>) {
  const [a, b] = [got[k]!, wanted[k]!]
  return {
    outputs: worst(a.outputs, b.outputs),
    outputsBeside: worst(a.outputsBeside, b.outputs),
    gradient: worst(a.gradient, b.gradient),
    weights: Math.max(...a.weights.map((g, i) => worst(g, b.weights[i]!))),
  }
}

/** Float32 sums in another order, of up to some thousand terms. */
const TOLERANCE = 5e-5

t.test('a follower computes what the plain passes compute', { skip: missing }, async t => {
  for (const spec of FOLLOWED) {
    const runs = await both('blas', spec, 5, 20)
    for (let k = 0; k < 20; k++) {
      const errors = errorsAt(k, runs)
      t.ok(
        Object.values(errors).every(e => e < TOLERANCE),
        `${describe(spec)}, point ${k}: ${JSON.stringify(errors)}`,
      )
      t.same(runs.got[k]!.names, runs.wanted[k]!.names)
    }
  }
})

t.test(
  'so it does over many blocks of neurons and words of a pattern',
  { skip: missing },
  async t => {
    const specs = BLOCKED.filter(({ outputs }) => outputs === 1).map(spec => ({
      ...spec,
      activation: 'relu',
    }))
    // A triangular first map in four parts.
    specs.push({ ...FOLLOWED[0]!, inputs: 50, width: 64, depth: 2 })
    for (const spec of specs) {
      const runs = await both('blas', spec, 37, 9)
      for (let k = 0; k < 9; k++) {
        const errors = errorsAt(k, runs)
        t.ok(
          Object.values(errors).every(e => e < TOLERANCE),
          `${describe(spec)}, point ${k}: ${JSON.stringify(errors)}`,
        )
      }
    }
  },
)

t.test('rounding does not pile up over a long walk', { skip: missing }, async t => {
  await useBackend('blas')
  const { network, parameters } = setUp({ ...FOLLOWED[0]!, inputs: 16, width: 256 })
  const follower = network.follow(parameters)
  const points = Array.from({ length: 400 }, (_, k) =>
    normals(8 * 16, 3).map((v, j) => v + 0.3 * Math.sin(0.05 * k + j)),
  )
  const errors = points.map(point =>
    scoped(() => {
      const x = tf.tensor2d(point, [8, 16])
      const ones = (f: tf.Tensor2D) => tf.onesLike(f)
      const gradient = follower.inputGradient(x, ones).gradient.dataSync<'float32'>()
      return worst(gradient, network.inputGradient(parameters, x, ones).gradient.dataSync())
    }),
  )
  // A pre-activation of 0 to rounding may take either sign, and then one example differs for a point or two.
  const usual = errors.toSorted((p, q) => p - q)[380]!
  t.ok(usual < 5e-6, `${usual}`)
})

t.test('where f is 0 to the last bit, a follower says so', { skip: missing }, async t => {
  await useBackend('blas')
  for (const spec of FOLLOWED.filter(({ init }) => init !== 'paper')) {
    const { network } = setUp(spec)
    const runs = along(
      walk(6 * spec.inputs, 9),
      normals(6, 5),
      network.follow(network.initialise(3)),
    )
    for (const { outputs, outputsBeside, gradient } of runs)
      t.ok(
        [outputs, outputsBeside, gradient].every(values => values.every(v => v === 0)),
        describe(spec),
      )
  }
})

t.test(
  'a follower takes another number of examples, and refuses another shape',
  { skip: missing },
  async t => {
    await useBackend('blas')
    const { network, parameters } = setUp(FOLLOWED[0]!)
    const { inputGradient } = network.follow(parameters)
    const at = (n: number, d: number) =>
      scoped(() =>
        inputGradient(tf.ones([n, d]), f => tf.onesLike(f)).gradient.dataSync<'float32'>(),
      )
    const one = at(1, 4)
    t.same(at(3, 4), [...one, ...one, ...one])
    t.throws(() => at(3, 5), { code: 'SHAPE' })
    t.throws(() => scoped(() => inputGradient(tf.ones([3, 4]), () => tf.ones([2, 1]))), {
      code: 'SHAPE',
    })
  },
)

t.test('elsewhere it is the plain passes, bit for bit', async t => {
  for (const spec of [FOLLOWED[0]!, ...SPECS.slice(-3)].filter(({ outputs }) => outputs === 1)) {
    const { got, wanted } = await both('cpu', spec, 5, 3)
    t.same(got, wanted, describe(spec))
  }
})
