import {
  activationFrom,
  deepKernel,
  deepReluNetwork,
  foldFrom,
  hermiteCoefficients,
  kernelInterpolant,
  kernelMatrix,
  openStream,
  pointPair,
  SaddleError,
  tangentKernel,
  twoLayerKernel,
  unitPair,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'

await useBackend('wasm')

const kernelOf = (name: string) => twoLayerKernel(activationFrom(name))

/** Two points with ‖x‖² = xx, ‖y‖² = yy and the given angle between them. */
const pairAt = (angle: number, xx = 1, yy = 1) => ({
  x: [Math.sqrt(xx), 0],
  y: [Math.sqrt(yy) * Math.cos(angle), Math.sqrt(yy) * Math.sin(angle)],
})

/**
 * E σ'(⟨w, x⟩) σ'(⟨w, y⟩) over w ~ N(0, I_2), by sampling: with its standard error.
 * Antithetic in neither coordinate, so that draws are independent.
 */
const sampled = (name: string, x: readonly number[], y: readonly number[], draws: number) => {
  const { derivative } = activationFrom(name).scalar
  const stream = openStream({ seed: 1, purpose: `test.kernel.${name}` })
  let sum = 0
  let squares = 0
  for (let i = 0; i < draws; i++) {
    const [g, h] = [stream.normal(), stream.normal()]
    const value = derivative(g * x[0]! + h * x[1]!) * derivative(g * y[0]! + h * y[1]!)
    sum += value
    squares += value * value
  }
  const mean = sum / draws
  return { mean, error: Math.sqrt((squares / draws - mean * mean) / draws) }
}

const DRAWS = 60_000
const CLOSED = ['relu', 'gs:0.5', 'gelu', 'erf', 'sincos', 'quadratic-relu']
const SERIES = ['softplus:2', 'tanh', 'silu']

for (const name of [...CLOSED, ...SERIES])
  t.test(`the kernel of ${name} is the mean of its definition`, async t => {
    const lengths = CLOSED.includes(name) ? ([1, 0.6] as const) : ([1, 1] as const)
    for (const angle of [0.4, 1.9]) {
      const { x, y } = pairAt(angle, ...lengths)
      const { mean, error } = sampled(name, x, y, DRAWS)
      const inner = x[0]! * y[0]! + x[1]! * y[1]!
      const exact = kernelOf(name).evaluate(x, y)
      const off = (exact - inner * mean) / (Math.abs(inner) * error)
      t.ok(Math.abs(off) < 4, `angle ${angle}: ${exact} is ${off} standard errors off`)
    }
  })

t.test('known values on the sphere', async t => {
  const at = (name: string, u: number) => kernelOf(name).atAngle(Math.acos(u))
  const near = (actual: number, expected: number, digits: number) =>
    t.ok(Math.abs(actual - expected) < 10 ** -digits, `${actual} ≈ ${expected}`)
  const u = 0.6
  near(at('relu', u), u * (0.25 + Math.asin(u) / (2 * Math.PI)), 14)
  near(at('sincos', u), u * Math.exp(u - 1), 14)
  near(at('gelu', 1), 0.4559, 4)
  near(at('erf', 1), 0.5694, 4)
  near(at('tanh', 1), 0.4644, 4)
  near(at('softplus:1', 1), 0.2934, 4)
  near(at('silu', 1), 0.3795, 4)
  near(at('relu', 1), 0.5, 14)
  near(at('quadratic-relu', 1), 0.5, 14)
})

t.test('the Hermite series meets the closed forms, and shows their parity', async t => {
  for (const name of ['gelu', 'erf', 'sincos', 'gs:0.5']) {
    const { derivative } = activationFrom(name).scalar
    const c = hermiteCoefficients(derivative, 80)
    for (const u of [-0.7, 0.1, 0.6]) {
      const series = c.reduce((sum, cj, j) => sum + cj * cj * u ** j, 0)
      const error = Math.abs(u * series - kernelOf(name).atAngle(Math.acos(u)))
      t.ok(error < 1e-11, `${name} at ${u}: ${error}`)
    }
  }
  // gs: σ' is a constant plus an odd function; erf: σ' is even; sincos: every degree is there (Remark 5.1).
  const vanishing = (name: string) =>
    hermiteCoefficients(activationFrom(name).scalar.derivative, 6).map(c => Math.abs(c) < 1e-12)
  t.same(vanishing('gs:0.5'), [false, false, true, false, true, false])
  t.same(vanishing('erf'), [false, true, false, true, false, true])
  t.same(vanishing('sincos'), [false, false, false, false, false, false])
})

t.test('a series knows the unit sphere only, and says so', async t => {
  t.throws(() => kernelOf('tanh').evaluate([2, 0], [1, 0]), {
    constructor: SaddleError,
    code: 'RANGE',
    message: /unit sphere/,
  })
})

t.test('small angles keep their digits', async t => {
  for (const angle of [1e-1, 1e-4, 1e-8, Math.PI - 1e-8]) {
    const { x, y } = pairAt(angle, 1, 4)
    const error = Math.abs(pointPair(x, y).angle / angle - 1)
    t.ok(error < 1e-7, `${angle}: relative error ${error}`)
  }
  t.equal(pointPair([0, 0], [1, 0]).angle, 0)
  t.equal(unitPair(1).xy, Math.cos(1))
  // relu's kernel falls off linearly in the angle: 1/2 − θ/2π.
  const drop = (0.5 - kernelOf('relu').evaluate([1, 0], pairAt(1e-6).y)) / 1e-6
  t.ok(Math.abs(drop * 2 * Math.PI - 1) < 1e-5, `${drop}`)
})

t.test('the deep kernel: H at 1, twice relu at H = 1, the sum of layers in general', async t => {
  for (const depth of [1, 2, 3, 4]) {
    const kernel = deepKernel(depth)
    t.ok(Math.abs(kernel.atAngle(0) - depth) < 1e-14)
    for (const u of [-0.9, 0.2, 0.6, 0.999]) {
      const k0 = (r: number) => 1 - Math.acos(r) / Math.PI
      const k1 = (r: number) => (Math.sqrt(1 - r * r) + (Math.PI - Math.acos(r)) * r) / Math.PI
      const rho = [u]
      for (let h = 1; h <= depth; h++) rho.push(k1(rho[h - 1]!))
      let sum = 0
      for (let h = 1; h <= depth; h++) {
        let product = rho[h - 1]!
        for (let l = h; l <= depth; l++) product *= k0(rho[l - 1]!)
        sum += product
      }
      t.ok(Math.abs(kernel.atAngle(Math.acos(u)) - sum) < 1e-9, `H = ${depth}, u = ${u}`)
    }
  }
  const angle = Math.acos(0.6)
  t.equal(deepKernel(1).atAngle(angle), 2 * kernelOf('relu').atAngle(angle))
  const [x, y] = [
    [3, 0],
    [0, 0.5],
  ] as const
  t.ok(Math.abs(deepKernel(2).evaluate(x, y) - 1.5 * deepKernel(2).atAngle(Math.PI / 2)) < 1e-14)
  t.throws(() => deepKernel(0), { code: 'RANGE' })
})

t.test('tangent kernels of random deep networks average to K_H', async t => {
  const [width, nets, u] = [256, 24, 0.6]
  const x = tf.tensor2d([
    [1, 0, 0],
    [u, Math.sqrt(1 - u * u), 0],
  ])
  for (const depth of [1, 2, 3]) {
    const network = deepReluNetwork({ inputs: 3, width, depth })
    const values = Array.from({ length: nets }, (_, seed) => {
      const kernel = tangentKernel(network, network.initialise(seed), x)
      t.equal(kernel[1], kernel[2])
      return kernel[1]! / width
    })
    const mean = values.reduce((a, b) => a + b) / nets
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (nets - 1)
    const exact = deepKernel(depth).atAngle(Math.acos(u))
    const off = (mean - exact) / Math.sqrt(variance / nets)
    // Three standard errors, and the O(1/m) bias of finite width.
    t.ok(Math.abs(off) < 3.5, `H = ${depth}: ${mean} against ${exact}, ${off} standard errors`)
  }
})

t.test('the tangent kernel is made of ⟨∇f_i, ∇f_j⟩, folded or not', async t => {
  const shape = { inputs: 3, width: 64, depth: 2 }
  const dense = deepReluNetwork({ ...shape, first: 'dense' })
  const parameters = dense.initialise(1)
  const x = tf.tensor2d([
    [1, 0, 0],
    [0, 0.6, 0.8],
  ])
  const kernel = tangentKernel(dense, parameters, x)
  const folded = tangentKernel(deepReluNetwork(shape), foldFrom(parameters), x)
  // All of its entries together: ‖∇(f_1 + f_2)‖², from the gradient itself.
  const norm = tf.tidy(() => {
    const { factors } = dense.gradientFactors(parameters, x, f => tf.onesLike(f))
    return factors
      .map(({ signal, input }) => tf.sum(tf.square(tf.matMul(signal, input))))
      .reduce((total, part) => total + part.dataSync<'float32'>()[0]!, 0)
  })
  // Products of 64 terms in float32.
  const sum = kernel.reduce((a, b) => a + b)
  t.ok(Math.abs(sum / norm - 1) < 1e-5, `${sum} against ${norm}`)
  kernel.forEach((k, i) => {
    t.ok(Math.abs(k - folded[i]!) < 1e-5 * kernel[0]!, `folded: ${folded[i]} against ${k}`)
  })
})

t.test('an interpolant takes its values with the least norm', async t => {
  const kernel = kernelOf('sincos')
  const points = [1, 0, 0, 0, 1, 0, 0, 0.6, 0.8, -0.6, 0, 0.8]
  const y = [1, -1, 1, -1]
  const f = kernelInterpolant(kernel, points, y, 3)
  y.forEach((value, i) => {
    const error = Math.abs(f.evaluate(points.slice(3 * i, 3 * i + 3)) - value)
    t.ok(error < 1e-12, `point ${i} is off by ${error}`)
  })
  const quadratic = y.reduce((sum, value, i) => sum + value * f.coefficients[i]!, 0)
  t.ok(Math.abs(f.norm ** 2 - quadratic) < 1e-12, '‖f‖² = bᵀ K b = bᵀ y')
  const ridged = kernelInterpolant(kernel, points, y, 3, 0.5)
  t.ok(ridged.norm < f.norm)
  const gram = kernelMatrix(kernel, points, 3)
  t.equal(gram.length, 16)
  t.equal(gram[1], gram[4])
})

t.test('antipodal pairs that relu cannot tell apart are refused, sincos takes them', async t => {
  // A bias-free relu kernel is linear + even: the antisymmetric targets of three pairs in the plane need rank 3.
  const angles = [0.1, 1.2, 2.2]
  const points = angles.flatMap(a => [Math.cos(a), Math.sin(a), -Math.cos(a), -Math.sin(a)])
  const y = [1, -1, -1, 1, 1, -1]
  t.throws(() => kernelInterpolant(kernelOf('relu'), points, y, 2), {
    code: 'NUMERIC',
    message: /antipodal/,
  })
  t.ok(kernelInterpolant(kernelOf('sincos'), points, y, 2).norm > 0)
  t.throws(() => kernelInterpolant(kernelOf('relu'), points, [1], 2), { code: 'SHAPE' })
  t.throws(() => kernelInterpolant(kernelOf('relu'), [1, 2, 3], [1], 2), { code: 'SHAPE' })
})
