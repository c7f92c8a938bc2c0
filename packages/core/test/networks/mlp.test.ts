import '@tensorflow/tfjs'
import {
  activationFrom,
  allocateMatrix,
  type Mlp,
  mlpPasses,
  openStream,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'

const noBlas = await useBackend('blas').then(
  () => false as const,
  (error: Error) => error.message,
)

const ACTIVATIONS = ['relu', 'gs:0.5', 'softplus:2', 'tanh', 'erf', 'gelu', 'silu'] as const

/** Layer sizes, with one output and several, without a hidden layer and with two. */
const SIZES = [
  [4, 1],
  [4, 10, 1],
  [5, 9, 7, 3],
] as const

function network(sizes: readonly number[], activation: string, seed: number, biases = true): Mlp {
  const stream = openStream({ seed, purpose: 'test.mlp' })
  const layers = sizes.slice(1).map((rows, h) => {
    const weights = allocateMatrix(rows, sizes[h]!)
    const bias = new Float32Array(new SharedArrayBuffer(4 * rows))
    stream.fillNormal(weights.data, 1 / Math.sqrt(sizes[h]!))
    stream.fillNormal(bias, 0.5)
    return { weights, bias: biases ? bias : null }
  })
  return { activation, layers }
}

function normals(length: number, seed: number): Float32Array {
  const values = new Float32Array(length)
  openStream({ seed, purpose: 'test.points' }).fillNormal(values, 1)
  return values
}

/** f at one point in float64, from the formula. */
function reference({ activation, layers }: Mlp, x: ArrayLike<number>): number[] {
  const { value } = activationFrom(activation).scalar
  let hidden = Array.from(x)
  layers.forEach(({ weights: { rows, cols, data }, bias }, h) => {
    const z = Array.from(
      { length: rows },
      (_, r) => (bias?.[r] ?? 0) + hidden.reduce((sum, v, j) => sum + data[r * cols + j]! * v, 0),
    )
    hidden = h < layers.length - 1 ? z.map(value) : z
  })
  return hidden
}

/** f as operations with gradients of their own, for tf.grad. */
function tensors({ activation, layers }: Mlp, x: tf.Tensor): tf.Tensor {
  return layers.reduce((hidden, { weights: { rows, cols, data }, bias }, h) => {
    const w = tf.tensor2d(Float32Array.from(data), [rows, cols])
    const product = tf.matMul(hidden, w, false, true)
    const z = bias === null ? product : tf.add(product, tf.tensor1d(Float32Array.from(bias)))
    return h < layers.length - 1 ? activationFrom(activation).value(z) : z
  }, x)
}

const worst = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (v, i) => Math.abs(v - b[i]!)))

/** Sums of some ten float32 products of order 1. */
const TOLERANCE = 2e-5

for (const backend of ['cpu', 'wasm', 'blas']) {
  const skip = backend === 'blas' && noBlas
  t.test(`on ${backend} a perceptron's passes equal tf.grad and float64`, { skip }, async t => {
    for (const activation of ACTIVATIONS)
      for (const [k, sizes] of SIZES.entries())
        for (const n of [1, 6]) {
          const mlp = network(sizes, activation, k, n > 1)
          const [d, c] = [sizes[0], sizes.at(-1)!]
          const points = normals(n * d, 7)
          const cotangent = normals(n * c, 8)
          await useBackend('cpu')
          const wanted = tf.tidy(() => {
            const weighted = (x: tf.Tensor) =>
              tf.sum(tf.mul(tensors(mlp, x), tf.tensor2d(cotangent, [n, c]))) as tf.Scalar
            return tf
              .grad(weighted)(tf.tensor2d(points, [n, d]))
              .dataSync()
          })
          await useBackend(backend)
          const passes = mlpPasses(mlp)
          t.same([passes.inputs, passes.outputs], [d, c])
          const before = tf.memory().numTensors
          const x = tf.tensor2d(points, [n, d])
          const held = tf.tensor2d(cotangent, [n, c])
          const alone = passes.forward(x)
          const { outputs, gradient } = passes.inputGradient(x, () => held)
          const exact = Array.from({ length: n }, (_, i) =>
            reference(mlp, points.subarray(i * d, (i + 1) * d)),
          ).flat()
          const errors = {
            forward: worst(alone.dataSync(), exact),
            beside: worst(outputs.dataSync(), exact),
            gradient: worst(gradient.dataSync(), wanted),
          }
          t.ok(
            Object.values(errors).every(e => e < TOLERANCE),
            `${activation} ${sizes} n=${n}: ${JSON.stringify(errors)}`,
          )
          t.same(
            [outputs.shape, gradient.shape],
            [
              [n, c],
              [n, d],
            ],
          )
          t.same(x.dataSync(), points, 'the points are as they were')
          tf.dispose([x, held, alone, outputs, gradient])
          t.equal(tf.memory().numTensors, before, 'no tensor is left behind')
        }
  })
}

t.test("a perceptron's input gradient equals central differences in float64", async t => {
  await useBackend('cpu')
  // h = 1e-5 leaves truncation h² and rounding 1e-16/h, both far below the float32 errors of the passes.
  const h = 1e-5
  for (const activation of ACTIVATIONS) {
    const mlp = network([5, 9, 7, 3], activation, 3)
    const x = normals(5, 11)
    const c = normals(3, 12)
    const f = (at: Float64Array) => reference(mlp, at).reduce((sum, v, k) => sum + c[k]! * v, 0)
    const gradient = tf.tidy(() =>
      mlpPasses(mlp)
        .inputGradient(tf.tensor2d(x, [1, 5]), () => tf.tensor2d(c, [1, 3]))
        .gradient.dataSync(),
    )
    const differences = Array.from({ length: 5 }, (_, j) => {
      const moved = (by: number) => f(Float64Array.from(x, (v, i) => (i === j ? v + by : v)))
      return (moved(h) - moved(-h)) / (2 * h)
    })
    t.ok(worst(gradient, differences) < TOLERANCE, activation)
  }
})

t.test('a perceptron whose layers do not fit each other is refused', async t => {
  const { layers } = network([4, 10, 3], 'relu', 0)
  t.throws(() => mlpPasses({ activation: 'relu', layers: [] }), { code: 'SHAPE' })
  t.throws(() => mlpPasses({ activation: 'relu', layers: [layers[1]!, layers[0]!] }), {
    code: 'SHAPE',
    message: /layer 2: expected shape \[10, 3\], got \[10, 4\]/,
  })
  const short = { ...layers[0]!, bias: layers[1]!.bias }
  t.throws(() => mlpPasses({ activation: 'relu', layers: [short, layers[1]!] }), {
    message: /bias of layer 1: expected shape \[10\], got \[3\]/,
  })
  t.throws(() => mlpPasses({ activation: 'rleu', layers }), { code: 'CONFIG', message: /rleu/ })
  await useBackend('cpu')
  const passes = mlpPasses({ activation: 'relu', layers })
  t.throws(() => passes.forward(tf.zeros([2, 5])), { code: 'SHAPE' })
  t.throws(() => passes.inputGradient(tf.zeros([2, 4]), () => tf.zeros([2, 2])), { code: 'SHAPE' })
})
