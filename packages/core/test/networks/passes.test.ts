import '@tensorflow/tfjs'
import {
  allocateMatrix,
  deepReluNetwork,
  type Network,
  networkFrom,
  rowBlocks,
  twoLayerNetwork,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import {
  BLOCKED,
  describe,
  INPUTS,
  N,
  passesOf,
  SPECS,
  setUp,
  TOLERANCE,
  WIDTH,
  worst,
} from './cases.js'
import { perceptronAt, reference, scoped, tensorReference, weightsOf } from './reference.js'

const noBlas = await useBackend('blas').then(
  () => false as const,
  (error: Error) => error.message,
)

for (const backend of ['cpu', 'wasm', 'blas']) {
  const skip = backend === 'blas' && noBlas
  t.test(`on ${backend} the passes equal tf.grad`, { skip }, async t => {
    for (const spec of SPECS) {
      const { network, parameters, x, c } = setUp(spec)
      await useBackend('cpu')
      const wanted = scoped(() => {
        const weights = parameters.trained.map(({ weights: { rows, cols, data } }) =>
          tf.tensor2d(Float32Array.from(data), [rows, cols]),
        )
        const f = tensorReference(network, parameters)
        const weighted = (...all: tf.Tensor[]) =>
          tf.sum(
            tf.mul(f(all.slice(0, -1), all.at(-1)!), tf.tensor2d(c, [N, spec.outputs])),
          ) as tf.Scalar
        const points = tf.tensor2d(x, [N, spec.inputs])
        const gradients = tf
          .grads(weighted)([...weights, points])
          .map(g => g.dataSync())
        return { outputs: f(weights, points).dataSync(), gradients }
      })
      await useBackend(backend)
      const got = passesOf(network, parameters, x, c)
      const errors = {
        forward: worst(got.outputs, wanted.outputs),
        beside: Math.max(...got.outputsBeside.map(f => worst(f, wanted.outputs))),
        input: worst(got.inputGradient, wanted.gradients.at(-1)!),
        weights: Math.max(...got.weightGradients.map((g, i) => worst(g, wanted.gradients[i]!))),
      }
      t.ok(
        Object.values(errors).every(e => e < TOLERANCE),
        `${describe(spec)}: ${JSON.stringify(errors)}`,
      )
      t.same(
        got.names,
        parameters.trained.map(({ name }) => name),
      )
    }
  })
}

t.test('the passes equal central differences in float64', async t => {
  await useBackend('wasm')
  // Away from kinks f is piecewise smooth: h = 1e-6 leaves truncation h² and rounding 1e-16/h = 1e-10, both far
  // below the float32 errors of the passes. No pre-activation of these seeds is within 1e-5 of a kink.
  const h = 1e-6
  for (const spec of SPECS) {
    const { network, parameters, x, c } = setUp(spec)
    const got = passesOf(network, parameters, x, c)
    const weights = weightsOf(parameters)
    const points = Array.from({ length: N }, (_, i) =>
      Float64Array.from(x.subarray(i * spec.inputs, (i + 1) * spec.inputs)),
    )
    const objective = (i: number) =>
      reference(network, parameters, weights, points[i]!).reduce(
        (sum, f, k) => sum + f * c[i * spec.outputs + k]!,
        0,
      )
    const total = () => points.reduce((sum, _, i) => sum + objective(i), 0)
    const difference = (data: Float64Array, j: number, f: () => number) => {
      const kept = data[j]!
      data[j] = kept + h
      const above = f()
      data[j] = kept - h
      const below = f()
      data[j] = kept
      return (above - below) / (2 * h)
    }
    const outputs = points.flatMap(point => reference(network, parameters, weights, point))
    t.ok(worst(got.outputs, outputs) < TOLERANCE, `${describe(spec)}: forward`)

    const inInput = points.flatMap((point, i) =>
      Array.from(point, (_, j) => difference(point, j, () => objective(i))),
    )
    const inputError = worst(got.inputGradient, inInput)
    t.ok(inputError < TOLERANCE, `${describe(spec)}: input gradient, ${inputError}`)

    parameters.trained.forEach(({ name }, layer) => {
      const { data } = weights[name]!
      const inWeights = Array.from(data, (_, j) => difference(data, j, total))
      const error = worst(got.weightGradients[layer]!, inWeights)
      t.ok(error < TOLERANCE, `${describe(spec)}: gradient of ${name}, ${error}`)
    })
  }
})

t.test('many blocks give what few blocks give', async t => {
  for (const spec of BLOCKED) {
    const { network, parameters, x, c } = setUp(spec)
    const { rows, cols } = parameters.trained.at(-1)!.weights
    t.ok(rowBlocks(rows, cols).length > 1, 'more than one block')
    await useBackend('cpu')
    const few = passesOf(network, parameters, x, c)
    await useBackend('wasm')
    const many = passesOf(network, parameters, x, c)
    // sums of up to 16384 terms in another order
    const close = 3e-5
    t.ok(worst(many.outputs, few.outputs) < close, `${describe(spec)}: forward`)
    t.ok(worst(many.inputGradient, few.inputGradient) < close, `${describe(spec)}: input gradient`)
    many.weightGradients.forEach((g, i) => {
      t.ok(worst(g, few.weightGradients[i]!) < close, `${describe(spec)}: ${many.names[i]}`)
    })
  }
})

t.test('equation (1) is positively homogeneous: f(W, c x) = c f(W, x)', async t => {
  await useBackend('cpu')
  const { network, parameters, x } = setUp({ ...SPECS[0]!, depth: 3 })
  const [one, four] = scoped(() => {
    const points = tf.tensor2d(x, [N, INPUTS])
    return [points, tf.mul(points, 4)].map(p =>
      network.forward(parameters, p as tf.Tensor2D).dataSync(),
    )
  })
  t.same(
    four,
    one!.map(v => 4 * v),
    'to the last bit for a power of 2',
  )
})

t.test('the cotangent sees the outputs of its own pass', async t => {
  await useBackend('wasm')
  for (const outputs of [1, 3]) {
    const { network, parameters, x } = setUp({ ...SPECS[0]!, depth: 2, outputs })
    const seen: Float32Array[] = []
    scoped(() => {
      const points = tf.tensor2d(x, [N, INPUTS])
      const look = (f: tf.Tensor2D) => {
        seen.push(Float32Array.from(f.dataSync()))
        return tf.onesLike(f)
      }
      const a = network.inputGradient(parameters, points, look).outputs.dataSync()
      const b = network.gradientFactors(parameters, points, look).outputs.dataSync()
      t.same(seen, [a, b])
    })
  }
})

t.test('toPerceptron computes the same function', async t => {
  await useBackend('wasm')
  for (const spec of SPECS) {
    const { network, parameters, x } = setUp(spec)
    const perceptron = network.toPerceptron(parameters)
    t.equal(perceptron.activation, spec.activation)
    t.same(
      perceptron.layers.map(({ name }) => name),
      [...Array.from({ length: spec.depth }, (_, h) => `layers.${h + 1}.weight`), 'output.weight'],
    )
    const copies = ['mirrored', 'subtract'].includes(spec.init) ? 2 : 1
    const hidden = copies * WIDTH
    t.same(
      perceptron.layers.map(({ rows, cols, data }) => [rows, cols, data.length]),
      perceptron.layers.map((_, h) => {
        const [out, into] = [
          h === spec.depth ? spec.outputs : hidden,
          h === 0 ? spec.inputs : hidden,
        ]
        return [out, into, out * into]
      }),
    )
    const wanted = scoped(() =>
      network.forward(parameters, tf.tensor2d(x, [N, spec.inputs])).dataSync(),
    )
    const got = Array.from({ length: N }, (_, i) =>
      perceptronAt(
        perceptron,
        network.activation.scalar.value,
        Float64Array.from(x.subarray(i * spec.inputs, (i + 1) * spec.inputs)),
      ),
    ).flat()
    t.ok(worst(got, wanted) < TOLERANCE, `${describe(spec)}: ${worst(got, wanted)}`)
  }
})

t.test('the passes leave no tensors behind but those they return', async t => {
  for (const backend of noBlas === false ? ['cpu', 'wasm', 'blas'] : ['cpu', 'wasm']) {
    await useBackend(backend)
    for (const spec of [...SPECS, ...BLOCKED.slice(0, 2)]) {
      const { network, parameters, x } = setUp(spec)
      const points = tf.tensor2d(x, [N, spec.inputs])
      const ones = (f: tf.Tensor2D) => tf.onesLike(f)
      const before = tf.memory().numTensors
      const f = network.forward(parameters, points)
      const a = network.inputGradient(parameters, points, ones)
      const b = network.gradientFactors(parameters, points, ones)
      const returned = 1 + 2 + 1 + 2 * b.factors.length
      t.equal(tf.memory().numTensors - before, returned, describe(spec))
      tf.dispose([f, a.outputs, a.gradient, b.outputs])
      for (const { signal, input } of b.factors) tf.dispose([signal, input])
      t.equal(tf.memory().numTensors, before)
      t.ok(!points.isDisposed, 'x still belongs to the caller')
      points.dispose()
    }
  }
})

t.test('memory inside a pass does not grow with the number of blocks', async t => {
  await useBackend('wasm')
  const peak = async (network: Network) => {
    const parameters = network.initialise(1)
    const x = tf.ones([1, network.spec.inputs]) as tf.Tensor2D
    const before = tf.memory().numTensors
    const { kernels } = await tf.profile(() =>
      tf.tidy(() => network.inputGradient(parameters, x, f => tf.onesLike(f)).gradient),
    )
    return Math.max(...kernels.map(kernel => kernel.totalTensorsSnapshot)) - before
  }
  const pair = (width: number) => peak(twoLayerNetwork({ inputs: 33000, width }))
  t.equal(await pair(160), await pair(48), 'one layer: 10 blocks hold as many tensors as 3')
  const deep = (width: number) => peak(deepReluNetwork({ inputs: 3, width, depth: 3 }))
  t.equal(await deep(1800), await deep(1200), 'three layers: 7 blocks a layer as many as 3')
})

t.test('what does not fit the network is refused', async t => {
  await useBackend('cpu')
  const { network, parameters, x } = setUp({ ...SPECS[0]!, outputs: 3 })
  const points = tf.tensor2d(x, [N, INPUTS])
  t.throws(() => network.forward(parameters, tf.ones([2, INPUTS + 1])), { code: 'SHAPE' })
  for (const pass of ['inputGradient', 'gradientFactors'] as const)
    t.throws(() => network[pass](parameters, points, () => tf.ones([N, 1])), { code: 'SHAPE' })
  const others = networkFrom(SPECS.at(-1)!).initialise(1)
  t.throws(() => network.forward(others, points), { code: 'SHAPE', message: /layers\.1/ })
  const { trained } = parameters
  t.throws(() => network.forward({ trained, frozen: { a: allocateMatrix(1, 1) } }, points), {
    code: 'SHAPE',
    message: /output/,
  })
})
