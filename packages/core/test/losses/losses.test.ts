import '@tensorflow/tfjs'
import { type Loss, lossFrom, misclassified, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'

/** Float64 references: ℓ(f, y). */
const SCALAR: Record<string, (f: number, y: number) => number> = {
  'huber:1': (f, y) => huber(f - y, 1),
  'huber:0.3': (f, y) => huber(f - y, 0.3),
  'pseudo-huber:1': (f, y) => Math.hypot(1, f - y) - 1,
  'pseudo-huber:2': (f, y) => 4 * (Math.sqrt(1 + ((f - y) / 2) ** 2) - 1),
  'log-cosh': (f, y) => {
    const a = Math.abs(f - y)
    return a + Math.log1p(Math.exp(-2 * a)) - Math.LN2
  },
  'smooth-hinge': (f, y) => (y * f >= 1 ? 0 : y * f > 0 ? (1 - y * f) ** 2 / 2 : 0.5 - y * f),
  logistic: (f, y) => Math.max(-y * f, 0) + Math.log1p(Math.exp(-Math.abs(f))),
  square: (f, y) => (f - y) ** 2 / 2,
  hinge: (f, y) => Math.max(0, 1 - y * f),
  absolute: (f, y) => Math.abs(f - y),
}
const huber = (r: number, k: number) =>
  Math.abs(r) <= k ? (r * r) / 2 : k * Math.abs(r) - (k * k) / 2

const scalarLosses = Object.keys(SCALAR).map(lossFrom)
const crossEntropy = lossFrom('cross-entropy')

function lossOf(loss: Loss, f: readonly number[][], y: readonly number[]): number[] {
  return tf.tidy(() => [
    ...loss.value(tf.tensor2d(f as number[][]), tf.tensor1d([...y])).dataSync(),
  ])
}
function slopeOf(loss: Loss, f: readonly number[][], y: readonly number[]): number[] {
  return tf.tidy(() => [
    ...loss.derivative(tf.tensor2d(f as number[][]), tf.tensor1d([...y])).dataSync(),
  ])
}
const column = (f: readonly number[]) => f.map(v => [v])
/** Rounding of a few float32 operations on numbers up to `size`. */
const rounding = (size: number) => 4e-7 * Math.max(1, size)

const backends = await useBackend('blas').then(
  () => ['cpu', 'wasm', 'blas'],
  () => ['cpu', 'wasm'],
)

for (const backend of backends) {
  t.test(`on ${backend} log1p keeps its digits: losses near 0, at margins to ±80`, async t => {
    await useBackend(backend)
    const relative = (got: number, wanted: number) => Math.abs(got / wanted - 1)
    for (const v of [0.1, 5, 20, 50, 80])
      for (const [f, y] of [
        [v, 1],
        [v, -1],
        [-v, 1],
        [-v, -1],
      ] as const) {
        const [got] = lossOf(lossFrom('logistic'), [[f]], [y])
        const wanted = SCALAR.logistic!(Math.fround(f), y)
        t.ok(relative(got!, wanted) < 1e-6, `logistic(${f}, ${y}) = ${got}, not ${wanted}`)
      }
    // log cosh r = r²/2 − r⁴/12 + …, to 1e-13 of itself at these residuals.
    for (const r of [2 ** -7, 2 ** -10, 2 ** -13]) {
      const [got] = lossOf(lossFrom('log-cosh'), [[1 + r]], [1])
      const wanted = (r * r) / 2 - r ** 4 / 12 + r ** 6 / 45
      t.ok(relative(got!, wanted) < 1e-6, `log-cosh(1 + ${r}, 1) = ${got}, not ${wanted}`)
    }
  })

  t.test(`on ${backend} values equal the table's formulas`, async t => {
    await useBackend(backend)
    const f = Array.from({ length: 161 }, (_, i) => Math.fround((i - 80) / 20 + 1e-3))
    for (const loss of scalarLosses)
      for (const y of [1, -1]) {
        const got = lossOf(
          loss,
          column(f),
          f.map(() => y),
        )
        const worst = Math.max(
          ...f.map(
            (v, i) => Math.abs(got[i]! - SCALAR[loss.name]!(v, y)) / rounding(Math.abs(got[i]!)),
          ),
        )
        t.ok(worst <= 1, `${loss.name} at y = ${y}: ${worst} of the rounding allowed`)
      }
  })

  t.test(`on ${backend} derivatives equal central differences of the formulas`, async t => {
    await useBackend(backend)
    // h = 1e-6: truncation below 1e-11, rounding 1e-10; none of the points is within h of a kink.
    const h = 1e-6
    const f = Array.from({ length: 161 }, (_, i) => Math.fround((i - 80) / 20 + 1e-3))
    for (const loss of scalarLosses)
      for (const y of [1, -1]) {
        const reference = SCALAR[loss.name]!
        const got = slopeOf(
          loss,
          column(f),
          f.map(() => y),
        )
        const worst = Math.max(
          ...f.map((v, i) =>
            Math.abs(got[i]! - (reference(v + h, y) - reference(v - h, y)) / (2 * h)),
          ),
        )
        t.ok(worst <= rounding(4), `${loss.name} at y = ${y}: worst ${worst}`)
      }
  })

  t.test(`on ${backend} nothing overflows at |f| = 1e4`, async t => {
    await useBackend(backend)
    for (const loss of scalarLosses)
      for (const [f, y] of [
        [1e4, 1],
        [1e4, -1],
        [-1e4, 1],
        [-1e4, -1],
      ] as const) {
        const wanted = SCALAR[loss.name]!(f, y)
        const [got] = lossOf(loss, [[f]], [y])
        const [slope] = slopeOf(loss, [[f]], [y])
        t.ok(Math.abs(got! - wanted) <= rounding(wanted), `${loss.name}(${f}, ${y}) = ${got}`)
        t.ok(
          Math.abs(slope!) <= Math.min(Math.fround(loss.lipschitz), 10001),
          `${loss.name}: slope ${slope}`,
        )
      }
    const f = [
      [1e4, -1e4, 0],
      [1e4, -1e4, 0],
    ]
    t.same(lossOf(crossEntropy, f, [0, 1]), [0, 2e4])
    t.same(slopeOf(crossEntropy, f, [0, 1]), [0, 0, 0, 1, -1, 0])
  })

  t.test(`on ${backend} cross-entropy and its derivative equal their formulas`, async t => {
    await useBackend(backend)
    const h = 1e-6
    const reference = (f: readonly number[], y: number) =>
      Math.log(f.reduce((sum, v) => sum + Math.exp(v), 0)) - f[y]!
    const f = Array.from({ length: 12 }, (_, i) =>
      Array.from({ length: 4 }, (_, j) => Math.fround(3 * Math.sin(7 * i + 3 * j))),
    )
    const y = f.map((_, i) => i % 4)
    const value = lossOf(crossEntropy, f, y)
    const derivative = slopeOf(crossEntropy, f, y)
    f.forEach((row, i) => {
      t.ok(Math.abs(value[i]! - reference(row, y[i]!)) < rounding(10))
      row.forEach((_, j) => {
        const moved = (by: number) => row.map((v, k) => (k === j ? v + by : v))
        const slope = (reference(moved(h), y[i]!) - reference(moved(-h), y[i]!)) / (2 * h)
        t.ok(Math.abs(derivative[4 * i + j]! - slope) < rounding(1))
      })
    })
  })
}

const output = fc.float({ min: -20, max: 20, noNaN: true })
const label = fc.constantFrom(-1, 1)

t.test('losses are non-negative, and 0 at the label where they say so', t => {
  fc.assert(
    fc.property(fc.constantFrom(...scalarLosses), output, label, (loss, f, y) => {
      return lossOf(loss, [[f]], [y])[0]! >= 0
    }),
    { numRuns: 300 },
  )
  for (const loss of scalarLosses)
    for (const y of [-1, 1]) {
      const [at] = lossOf(loss, [[y]], [y])
      if (loss.zeroAtLabel) t.equal(at, 0, loss.name)
      else t.ok(at! > 0.1, loss.name)
      if (loss.zeroAtLabel) t.equal(Math.abs(slopeOf(loss, [[y]], [y])[0]!), 0, loss.name)
    }
  t.ok(lossOf(crossEntropy, [[9, 0, 0]], [0])[0]! > 0)
  t.equal(crossEntropy.zeroAtLabel, false)
  t.end()
})

t.test('scalar losses are as Lipschitz, smooth and convex as they say', t => {
  fc.assert(
    fc.property(fc.constantFrom(...scalarLosses), output, output, label, (loss, f, g, y) => {
      const middle = Math.fround((f + g) / 2)
      const points = column([f, g, middle])
      const [lf, lg, lm] = lossOf(loss, points, [y, y, y])
      const [df, dg] = slopeOf(loss, points, [y, y, y])
      const gap = Math.abs(f - g)
      const slack = rounding(lf! + lg!)
      const lipschitz =
        loss.lipschitz === Infinity || Math.abs(lf! - lg!) <= loss.lipschitz * gap + slack
      const smooth =
        loss.smoothness === Infinity || Math.abs(df! - dg!) <= loss.smoothness * gap + slack
      const convex = lm! <= (lf! + lg!) / 2 + 2 * slack
      return lipschitz && smooth && convex && loss.convex
    }),
    { numRuns: 1000 },
  )
  t.end()
})

t.test('the Lipschitz and smoothness constants cannot be smaller', t => {
  for (const loss of scalarLosses.filter(l => l.lipschitz < Infinity)) {
    const slopes = [-50, 50].map(f => Math.abs(slopeOf(loss, [[f]], [1])[0]!))
    t.ok(Math.max(...slopes) > 0.99 * loss.lipschitz, `${loss.name} reaches ${loss.lipschitz}`)
  }
  for (const loss of scalarLosses.filter(l => l.smoothness < Infinity)) {
    const f = Array.from({ length: 401 }, (_, i) => [(i - 200) / 100])
    const d = slopeOf(
      loss,
      f,
      f.map(() => 1),
    )
    const steepest = Math.max(...d.slice(1).map((v, i) => (v - d[i]!) / 0.01))
    t.ok(steepest > 0.99 * loss.smoothness, `${loss.name}: ${steepest} of ${loss.smoothness}`)
  }
  t.end()
})

t.test('cross-entropy is √2-Lipschitz, 1/2-smooth and convex in the l2 norm', t => {
  const outputs = fc.array(output, { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(outputs, outputs, fc.constantFrom(0, 1, 2), (f, g, y) => {
      const middle = f.map((v, i) => (v + g[i]!) / 2)
      const [lf, lg, lm] = lossOf(crossEntropy, [f, g, middle], [y, y, y])
      const d = slopeOf(crossEntropy, [f, g], [y, y])
      const norm = (v: readonly number[]) => Math.hypot(...v)
      const gap = norm(f.map((v, i) => v - g[i]!))
      const slack = rounding(40)
      return (
        Math.abs(lf! - lg!) <= Math.SQRT2 * gap + slack &&
        norm([0, 1, 2].map(i => d[i]! - d[3 + i]!)) <= 0.5 * gap + slack &&
        lm! <= (lf! + lg!) / 2 + slack
      )
    }),
    { numRuns: 300 },
  )
  t.end()
})

t.test('wrongAtLeast is the infimum of the loss over wrong predictions', t => {
  fc.assert(
    fc.property(fc.constantFrom(...scalarLosses), output, label, (loss, f, y) => {
      fc.pre(y * f <= 0)
      return lossOf(loss, [[f]], [y])[0]! >= loss.wrongAtLeast - rounding(1)
    }),
    { numRuns: 500 },
  )
  for (const loss of scalarLosses) {
    const [atTie] = lossOf(loss, [[0]], [1])
    t.ok(Math.abs(atTie! - loss.wrongAtLeast) < rounding(1), `${loss.name}: ${atTie} at f = 0`)
  }
  const [tie] = lossOf(crossEntropy, [[5, 5, -100]], [1])
  t.ok(Math.abs(tie! - crossEntropy.wrongAtLeast) < rounding(5))
  t.end()
})

for (const backend of backends)
  t.test(`on ${backend} ties, sign(0) and NaN count as errors`, async t => {
    await useBackend(backend)
    const flags = (f: number[][], y: number[], kind: 'scalar' | 'classes') =>
      tf.tidy(() => {
        const wrong = misclassified(tf.tensor2d(f), tf.tensor1d(y), kind)
        t.equal(wrong.dtype, 'bool')
        return [...wrong.dataSync()].map(Boolean)
      })
    t.same(
      flags(column([0.1, -0.1, 0, -0, 2, -2, Number.NaN]), [1, 1, 1, -1, -1, -1, 1], 'scalar'),
      [false, true, true, true, true, false, true],
    )
    const rows = [
      [3, 1, 2],
      [3, 1, 2],
      [3, 3, 2],
      [0, 0, 0],
      [1, 2, Number.NaN],
      [-3, -1, -2],
      [1, Number.NaN, 2],
    ]
    t.same(flags(rows, [0, 2, 0, 1, 1, 1, 1], 'classes'), [
      false,
      true,
      true,
      true,
      true,
      false,
      true,
    ])
  })

t.test('outputs that do not fit the labels are refused', t => {
  const [two, three] = [tf.tensor2d([[1], [2]]), tf.tensor1d([1, 1, 1])]
  const wide = tf.tensor2d([[1, 2, 3]])
  const shape = { code: 'SHAPE' }
  t.throws(() => misclassified(two, three, 'scalar'), shape)
  t.throws(() => misclassified(wide, tf.tensor1d([1]), 'scalar'), shape)
  t.throws(() => lossFrom('huber').value(wide, tf.tensor1d([1])), shape)
  t.throws(() => lossFrom('logistic').derivative(two, three), shape)
  t.throws(() => crossEntropy.value(two, three), shape)
  t.end()
})

t.test('lossFrom reads names, and lists them when it refuses one', t => {
  for (const loss of [...scalarLosses, crossEntropy]) t.equal(lossFrom(loss.name).name, loss.name)
  t.equal(lossFrom('huber').name, 'huber:1')
  t.equal(lossFrom('pseudo-huber').name, 'pseudo-huber:1')
  t.equal(lossFrom('cross-entropy').outputs, 'classes')
  for (const name of ['hubert', 'huber:0', 'logistic:2', ''])
    t.throws(
      () => lossFrom(name),
      { code: 'CONFIG', message: /huber:1, pseudo-huber:1, log-cosh.*cross-entropy/ },
      name,
    )
  t.end()
})

t.test('losses leave no tensors behind', t => {
  const f = tf.tensor2d([[0.5], [-2]])
  const y = tf.tensor1d([1, -1])
  const before = tf.memory().numTensors
  for (const loss of scalarLosses) tf.dispose([loss.value(f, y), loss.derivative(f, y)])
  misclassified(f, y, 'scalar').dispose()
  t.equal(tf.memory().numTensors, before)
  t.end()
})
