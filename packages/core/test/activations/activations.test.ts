import '@tensorflow/tfjs'
import { type Activation, activationFrom, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'

const NAMES = [
  'relu',
  'gs:0.5',
  'gs:0.1',
  'softplus:1',
  'softplus:4',
  'tanh',
  'erf',
  'gelu',
  'silu',
  'sincos',
  'quadratic-relu',
]
const ALL = NAMES.map(activationFrom)

/** Kinks of σ or σ' at 0 make differences there meaningless. */
const kinked = ({ name }: Activation) => name === 'relu' || name === 'quadratic-relu'

/** The two backends' erf is a rational approximation good to 1.5e-7; everything else is float32 rounding. */
const TENSOR_TOLERANCE = 4e-7

for (const backend of ['cpu', 'wasm']) {
  t.test(`on ${backend} the tensor forms equal the float64 forms`, async t => {
    await useBackend(backend)
    const points = Array.from({ length: 401 }, (_, i) => Math.fround((i - 200) / 16))
    for (const activation of ALL) {
      const z = tf.tensor1d(points)
      const value = activation.value(z).dataSync()
      const derivative = activation.derivative(z).dataSync()
      let worst = 0
      points.forEach((point, i) => {
        const wanted = [activation.scalar.value(point), activation.scalar.derivative(point)]
        for (const [k, got] of [value[i]!, derivative[i]!].entries())
          worst = Math.max(worst, Math.abs(got - wanted[k]!) / Math.max(1, Math.abs(wanted[k]!)))
      })
      // a gated derivative multiplies erf's error by |z| <= 12.5 only where φ(z) is already tiny
      t.ok(worst < TENSOR_TOLERANCE * 2, `${activation.name}: worst error ${worst}`)
    }
  })

  t.test(`on ${backend} nothing overflows at |z| = 1e4, and shapes are kept`, async t => {
    await useBackend(backend)
    const z = tf.tensor2d([-1e4, 1e4, -0, 0], [2, 2])
    for (const activation of ALL) {
      for (const result of [activation.value(z), activation.derivative(z)]) {
        t.same(result.shape, [2, 2])
        t.ok(
          result.dataSync().every(v => Number.isFinite(v)),
          `${activation.name}: ${result.dataSync().join()}`,
        )
      }
      const [left, right] = activation.value(z).dataSync()
      const wanted = [activation.scalar.value(-1e4), activation.scalar.value(1e4)]
      t.ok(Math.abs(left! - wanted[0]!) <= 1e-3, `${activation.name}: ${left} at -1e4`)
      t.ok(Math.abs(right! / wanted[1]! - 1) <= 1e-3, `${activation.name}: ${right} at 1e4`)
    }
  })
}

t.test("σ' of relu is 0 at 0", async t => {
  await useBackend('cpu')
  const relu = activationFrom('relu')
  t.equal(relu.scalar.derivative(0), 0)
  t.same([...relu.derivative(tf.tensor1d([0, -0])).dataSync()], [0, 0])
})

t.test('derivatives are those of the values (central differences)', t => {
  // Truncation h² |σ'''|/6 <= 4e-10 and rounding 1e-16 |σ|/h <= 1e-10 at this step.
  const h = 5e-6
  fc.assert(
    fc.property(fc.constantFrom(...ALL), fc.double({ min: -9, max: 9, noNaN: true }), (a, z) => {
      fc.pre(!kinked(a) || Math.abs(z) > h)
      const { value, derivative, second } = a.scalar
      const first = (value(z + h) - value(z - h)) / (2 * h)
      const next = (derivative(z + h) - derivative(z - h)) / (2 * h)
      return Math.abs(first - derivative(z)) < 2e-9 && Math.abs(next - second(z)) < 1e-8
    }),
    { numRuns: 1000 },
  )
  t.end()
})

t.test("C1, C2 and C3 are the suprema of |σ'|, |σ''| and |σ'''|", t => {
  const step = 1e-3
  const grid = Array.from({ length: 24001 }, (_, i) => -12 + i * step)
  for (const { name, scalar, c1, c2, c3 } of ALL) {
    const sup = (f: (z: number) => number) => Math.max(...grid.map(z => Math.abs(f(z))))
    const attained = (found: number, constant: number, what: string) => {
      // never exceeded; and reached up to the grid's error, or only in the limit (tails of relu's kin at |z| = 12)
      t.ok(found <= constant * (1 + 1e-9), `${name}: ${what} ${found} <= ${constant}`)
      t.ok(found >= constant * (1 - 1e-4), `${name}: ${what} ${found} reaches ${constant}`)
    }
    if (Number.isFinite(c1)) attained(sup(scalar.derivative), c1, 'C1')
    else t.ok(sup(scalar.derivative) > 11, `${name}: σ' is unbounded`)
    if (Number.isFinite(c2)) {
      // by differencing σ', which does not trust `second`
      const slope = (z: number) => (scalar.derivative(z + 1e-4) - scalar.derivative(z)) / 1e-4
      attained(sup(slope), c2, 'C2')
    }
    if (Number.isFinite(c3)) {
      const bend = (z: number) => (scalar.second(z + 1e-4) - scalar.second(z - 1e-4)) / 2e-4
      attained(sup(bend), c3, 'C3')
    }
  }
  t.end()
})

t.test('the constants that do not exist are infinite', t => {
  const infinite = ALL.map(({ name, c1, c2, c3 }) => [
    name,
    ...[c1, c2, c3].map(c => (c === Number.POSITIVE_INFINITY ? 1 : 0)),
  ]).filter(([, ...flags]) => flags.includes(1))
  t.same(infinite, [
    ['relu', 0, 1, 1],
    ['quadratic-relu', 1, 0, 1],
  ])
  t.end()
})

t.test('erf and the normal distribution hold published digits', t => {
  const { erf, gelu } = { erf: activationFrom('erf').scalar, gelu: activationFrom('gelu').scalar }
  // Abramowitz and Stegun, tables 7.1 and 26.2, continued with the C library's erf
  const table = [
    [0, 0],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [1.5, 0.9661051464753108],
    [1.999, 0.9953015566513705],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [6, 1],
  ] as const
  for (const [x, wanted] of table) {
    t.ok(Math.abs(erf.value(x) - wanted) < 1e-14, `erf(${x}) = ${erf.value(x)}`)
    t.equal(erf.value(-x), -erf.value(x), 'odd to the last bit')
  }
  const tail = gelu.value(-10) / -10
  t.ok(Math.abs(tail / 7.619853024160527e-24 - 1) < 1e-12, `Φ(-10) = ${tail}`)
  t.end()
})

t.test('gs:T lies between relu and relu + 0.4 T, and is its average over a Gaussian', t => {
  const { value } = activationFrom('gs:0.5').scalar
  for (let z = -4; z <= 4; z += 0.25) {
    const gap = value(z) - Math.max(z, 0)
    t.ok(gap >= 0 && gap <= 0.5 * 0.39894229)
  }
  // E relu(0.3 + 0.5 g), trapezoid rule on [-10, 10]
  let average = 0
  for (let g = -10; g <= 10; g += 1e-3)
    average += 1e-3 * Math.max(0.3 + 0.5 * g, 0) * (Math.exp(-0.5 * g * g) / Math.sqrt(2 * Math.PI))
  t.ok(Math.abs(average - value(0.3)) < 1e-6)
  t.end()
})

t.test('activationFrom reads names with and without a parameter', t => {
  t.equal(activationFrom('gs').name, 'gs:0.5')
  t.equal(activationFrom('gs:0.25').name, 'gs:0.25')
  t.equal(activationFrom('softplus').name, 'softplus:1')
  for (const { name } of ALL) t.equal(activationFrom(name).name, name)
  t.end()
})

t.test('activationFrom refuses what it does not know, and lists what it does', t => {
  const wrong = ['rely', '', 'relu:2', 'gs:', 'gs: ', 'gs:-1', 'gs:0', 'gs:x', 'gs:1:2', 'toString']
  for (const name of [...wrong, '__proto__', 'gs:Infinity']) {
    t.throws(
      () => activationFrom(name),
      { code: 'CONFIG', message: /gs:0\.5, softplus:1, tanh/ },
      name,
    )
  }
  t.end()
})
