import { chiSquare, gamma, openStream, shuffle } from '@saddle/core'
import fc from 'fast-check'
import t, { type Test } from 'tap'

/** Standard errors a deterministic sample may lie off: a right generator does so once in 1.7 million choices of seed. */
const SIGMAS = 5

/** How many standard errors the mean of `values` is off `mean`, for independent values of the given variance. */
function errorsOff(values: ArrayLike<number>, mean: number, variance: number): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return Math.abs(sum / values.length - mean) / Math.sqrt(variance / values.length)
}

function meanIsNear(
  t: Test,
  what: string,
  values: ArrayLike<number>,
  mean: number,
  variance: number,
): void {
  const errors = errorsOff(values, mean, variance)
  t.ok(errors < SIGMAS, `${what}: ${errors.toFixed(2)} standard errors off`)
}

t.test('the bits of words are fair, within a stream and from one example to the next', async t => {
  const n = 20_000
  const { uint32 } = openStream({ seed: 2, purpose: 'bits' })
  const within = Array.from({ length: n }, uint32)
  const across = Array.from({ length: n }, (_, example) =>
    openStream({ seed: 2, purpose: 'bits', example }).uint32(),
  )
  for (const words of [within, across]) {
    const changes = words.slice(1).map((w, i) => w ^ words[i]!)
    for (const [what, of] of Object.entries({ words, changes })) {
      const errors = Array.from({ length: 32 }, (_, bit) =>
        errorsOff(
          of.map(w => (w >>> bit) & 1),
          0.5,
          0.25,
        ),
      )
      t.ok(Math.max(...errors) < SIGMAS, `${what}: at most ${Math.max(...errors)} errors off`)
    }
  }
})

t.test('uniforms lie in [0, 1), with the right moments and 53 bits', async t => {
  const { uniform } = openStream({ seed: 3, purpose: 'uniform' })
  const u = Array.from({ length: 200_000 }, uniform)
  t.ok(u.every(x => x >= 0 && x < 1))
  t.ok(
    u.some(x => (x * 2 ** 53) % 2 === 1),
    'the last of 53 bits is used',
  )
  meanIsNear(t, 'mean', u, 1 / 2, 1 / 12)
  meanIsNear(
    t,
    'second moment',
    u.map(x => x * x),
    1 / 3,
    4 / 45,
  )
})

t.test('normals have the moments and the distribution of a standard normal', async t => {
  const z = new Float64Array(400_000)
  openStream({ seed: 6, purpose: 'normal' }).fillNormal(z)
  meanIsNear(t, 'mean', z, 0, 1)
  // Var z^k = E z^2k - (E z^k)^2 with E z^2, z^4, z^6, z^8 = 1, 3, 15, 105
  meanIsNear(
    t,
    'second moment',
    z.map(x => x ** 2),
    1,
    2,
  )
  meanIsNear(
    t,
    'third moment',
    z.map(x => x ** 3),
    0,
    15,
  )
  meanIsNear(
    t,
    'fourth moment',
    z.map(x => x ** 4),
    3,
    96,
  )
  meanIsNear(
    t,
    'product of neighbours',
    z.map((x, i) => (i === 0 ? 0 : x * z[i - 1]!)),
    0,
    1,
  )
  // tail probabilities P(|z| > q), from tables
  for (const [q, p] of [
    [1, 0.31731051],
    [2, 0.04550026],
    [3, 0.0026998],
  ] as const)
    meanIsNear(
      t,
      `|z| > ${q}`,
      z.map(x => (Math.abs(x) > q ? 1 : 0)),
      p,
      p * (1 - p),
    )
})

t.test('gamma and chi-square have their mean, variance and mean logarithm', async t => {
  const n = 60_000
  const stream = openStream({ seed: 9, purpose: 'gamma' })
  for (const shape of [0.25, 0.5, 1, 2.5, 400]) {
    const x = Array.from({ length: n }, () => gamma(stream, shape))
    t.ok(
      x.every(v => v >= 0 && Number.isFinite(v)),
      `shape ${shape} is positive`,
    )
    meanIsNear(t, `mean of shape ${shape}`, x, shape, shape)
    // the fourth central moment of Gamma(k) is 3k² + 6k
    const squares = x.map(v => (v - shape) ** 2)
    meanIsNear(t, `variance of shape ${shape}`, squares, shape, 2 * shape ** 2 + 6 * shape)
  }
  // E ln Gamma(1) = -Euler's constant, Var = π²/6
  const logs = Array.from({ length: n }, () => Math.log(gamma(stream, 1)))
  meanIsNear(t, 'mean logarithm of an exponential', logs, -0.5772156649, Math.PI ** 2 / 6)
  const chi = Array.from({ length: n }, () => chiSquare(stream, 7))
  meanIsNear(t, 'mean of chi-square(7)', chi, 7, 14)
  // P(χ²₇ > 14.0671) = 0.05, from tables
  meanIsNear(
    t,
    'upper tail of chi-square(7)',
    chi.map(v => (v > 14.06714 ? 1 : 0)),
    0.05,
    0.05 * 0.95,
  )
})

t.test('shuffle gives a permutation, each equally often', async t => {
  const stream = openStream({ seed: 10, purpose: 'shuffle' })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), count => {
      const sorted = [...shuffle(stream, count)].sort((a, b) => a - b)
      return sorted.length === count && sorted.every((x, i) => x === i)
    }),
  )
  const orders = Array.from({ length: 24_000 }, () => shuffle(stream, 4).join(''))
  const kinds = new Set(orders)
  t.equal(kinds.size, 24)
  for (const kind of kinds) {
    const hits = orders.map(order => (order === kind ? 1 : 0))
    meanIsNear(t, kind, hits, 1 / 24, 23 / 24 ** 2)
  }
})
