import { chiSquare, gamma, openStream, philox, type StreamKey, shuffle } from '@saddle/core'
import fc from 'fast-check'
import t, { type Test } from 'tap'

type Counter = [number, number, number, number]
type Key = [number, number]

/** Standard errors a deterministic sample may lie off: a right generator does so once in 1.7 million choices of seed. */
const SIGMAS = 5

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const seed = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })

function block(counter: Counter, key: Key): number[] {
  const out = new Uint32Array(4)
  philox(out, 1, counter, key)
  return [...out]
}

/** Philox as its paper writes it, with 64-bit products as BigInt. */
function referenceBlock(counter: Counter, key: Key): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint]
  let [k0, k1] = key.map(BigInt) as [bigint, bigint]
  const mask = 0xffffffffn
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0
    const p1 = 0xcd9e8d57n * c2
    ;[c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask]
    k0 = (k0 + 0x9e3779b9n) & mask
    k1 = (k1 + 0xbb67ae85n) & mask
  }
  return [c0, c1, c2, c3].map(Number)
}

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

t.test('Philox gives the known answers of Random123', async t => {
  const f = 0xffffffff
  t.same(block([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
  t.same(block([f, f, f, f], [f, f]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd])
  t.same(
    block([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  )
})

t.test('Philox on 32-bit integers equals Philox on BigInt', async t => {
  fc.assert(
    fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) =>
      t.same(block(counter, key), referenceBlock(counter, key)),
    ),
  )
})

t.test('several blocks are those of consecutive counters, past 2^32 too', async t => {
  const out = new Uint32Array(12)
  philox(out, 3, [0xfffffffe, 7, 8, 9], [1, 2])
  const one = [0xfffffffe, 0xffffffff, 0].flatMap(c0 => block([c0, 7, 8, 9], [1, 2]))
  t.same([...out], one)
})

t.test('a stream depends on its key alone, not on what else is drawn or when', async t => {
  const keys: StreamKey[] = [0, 1, 2].map(example => ({ seed: 5, purpose: 'start', example }))
  const alone = keys.map(key => {
    const stream = openStream(key)
    return [stream.uint32(), stream.uniform(), stream.normal(), stream.normal(), stream.uint32()]
  })
  const streams = keys.map(openStream).reverse()
  openStream({ seed: 5, purpose: 'start' }).fillNormal(new Float32Array(5000))
  const first = streams.map(s => s.uint32())
  const second = streams.map(s => s.uniform())
  const rest = streams.map(s => [s.normal(), s.normal(), s.uint32()])
  const together = first.map((x, i) => [x, second[i]!, ...rest[i]!]).reverse()
  t.same(together, alone)
})

t.test('a part of the key left out is 0; any part changed gives other numbers', async t => {
  const draw = (key: StreamKey) => Array.from({ length: 4 }, openStream(key).uint32).join()
  const bare = { seed: 1, purpose: 'p' }
  t.equal(draw(bare), draw({ ...bare, step: 0, example: 0, restart: 0 }))
  fc.assert(
    fc.property(seed, fc.string(), word, word, word, word, (s, purpose, a, b, c, other) => {
      const key = { seed: s, purpose, step: a, example: b, restart: c }
      const changed: StreamKey[] = [
        { ...key, seed: s === 0 ? 1 : s - 1 },
        { ...key, purpose: `${purpose}.` },
        { ...key, step: a === other ? (a + 1) % 2 ** 32 : other },
        { ...key, example: b === other ? (b + 1) % 2 ** 32 : other },
        { ...key, restart: c === other ? (c + 1) % 2 ** 32 : other },
      ]
      return t.equal(new Set([key, { ...key }, ...changed].map(draw)).size, 6)
    }),
  )
  t.not(draw({ seed: 3, purpose: 'p' }), draw({ seed: 3 + 2 ** 32, purpose: 'p' }), 'high word')
})

t.test('streams of neighbouring keys share no block', async t => {
  const seen = new Set<string>()
  let blocks = 0
  for (let s = 0; s < 2; s++)
    for (const purpose of ['weights', 'attack.start'])
      for (let i = 0; i < 6 * 6 * 6; i++) {
        const key = { step: i % 6, example: Math.floor(i / 6) % 6, restart: Math.floor(i / 36) }
        const { uint32 } = openStream({ seed: s, purpose, ...key })
        for (let b = 0; b < 4; b++, blocks++)
          seen.add([uint32(), uint32(), uint32(), uint32()].join())
      }
  t.equal(seen.size, blocks)
})

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

t.test('a normal is r cos 2πv or r sin 2πv of two words', async t => {
  const words = openStream({ seed: 4, purpose: 'n' }).uint32
  const { normal } = openStream({ seed: 4, purpose: 'n' })
  for (let i = 0; i < 20_000; i++) {
    const r = Math.sqrt(-2 * Math.log((words() + 0.5) / 2 ** 32))
    const angle = (2 * Math.PI * words()) / 2 ** 32
    // 2π·v is itself rounded, to 2^-53 of 6.28; both then to 2^-53 of r ≤ 6.8
    const tolerance = 1e-14
    const [cosine, sine] = [normal(), normal()]
    if (Math.abs(cosine - r * Math.cos(angle)) > tolerance) t.fail(`cosine of draw ${i}`)
    if (Math.abs(sine - r * Math.sin(angle)) > tolerance) t.fail(`sine of draw ${i}`)
  }
  t.pass('20000 pairs')
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

t.test('fillNormal gives what normal gives one at a time, wherever the stream stands', async t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 9 }),
      fc.boolean(),
      fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 4 }),
      (skipped, spare, lengths) => {
        const [whole, single] = [0, 0].map(() => {
          const stream = openStream({ seed: 8, purpose: 'fill' })
          for (let i = 0; i < skipped; i++) stream.uint32()
          if (spare) stream.normal()
          return stream
        })
        for (const length of lengths) {
          const out = new Float64Array(length)
          whole!.fillNormal(out, 0.5)
          if (!out.every(z => z === 0.5 * single!.normal())) return false
        }
        return whole!.uint32() === single!.uint32() // and the stream is left where normal leaves it
      },
    ),
  )
  const many = new Float32Array(5003)
  openStream({ seed: 8, purpose: 'fill' }).fillNormal(many)
  const { normal } = openStream({ seed: 8, purpose: 'fill' })
  t.same(many, Float32Array.from(many, normal), 'float32, more than one bulk')
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

t.test('numbers outside their range are refused, naming them', async t => {
  const open = (key: Partial<StreamKey>) => () => openStream({ seed: 0, purpose: 'p', ...key })
  for (const bad of [-1, 0.5, 2 ** 53, Number.NaN])
    t.throws(open({ seed: bad }), { code: 'RANGE', message: /seed.*got/, fields: { seed: bad } })
  for (const part of ['step', 'example', 'restart'] as const)
    for (const bad of [-1, 0.5, 2 ** 32, Number.NaN])
      t.throws(open({ [part]: bad }), { code: 'RANGE', message: new RegExp(part) })
  t.doesNotThrow(open({ seed: Number.MAX_SAFE_INTEGER, example: 2 ** 32 - 1 }))
  const stream = openStream({ seed: 0, purpose: 'p' })
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => gamma(stream, bad), { code: 'RANGE', message: /shape/ })
  for (const bad of [-1, 1.5, 2 ** 31, Number.NaN])
    t.throws(() => shuffle(stream, bad), { code: 'RANGE', message: /count/ })
})
