import { gamma, openStream, philox, type StreamKey, shuffle } from '@saddle/core'
import fc from 'fast-check'
import t from 'tap'

type Counter = [number, number, number, number]
type Key = [number, number]

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

t.test(
  'fillUniform gives what uniform gives one at a time, wherever the stream stands',
  async t => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9 }),
        fc.array(fc.integer({ min: 0, max: 1500 }), { maxLength: 4 }),
        (skipped, lengths) => {
          const [whole, single] = [0, 0].map(() => {
            const stream = openStream({ seed: 8, purpose: 'fill' })
            for (let i = 0; i < skipped; i++) stream.uint32()
            return stream
          })
          for (const length of lengths) {
            const out = new Float64Array(length)
            whole!.fillUniform(out)
            if (!out.every(u => u === single!.uniform())) return false
          }
          return whole!.uint32() === single!.uint32()
        },
      ),
    )
    t.pass()
  },
)

t.test("a stream reopened for another example is that example's stream", async t => {
  const key = { seed: 3, purpose: 'rows', step: 2 }
  const stream = openStream(key)
  for (const [example, drawn] of [
    [7, 1],
    [0, 10],
    [2 ** 32 - 1, 3],
  ] as const) {
    stream.reopen(example)
    const fresh = openStream({ ...key, example })
    for (const length of [drawn, 6, 2050]) {
      const [a, b] = [new Float32Array(length), new Float32Array(length)]
      stream.fillNormal(a, 0.3)
      fresh.fillNormal(b, 0.3)
      t.same(a, b)
    }
    t.equal(stream.normal(), fresh.normal())
    t.equal(stream.uint32(), fresh.uint32())
  }
  t.throws(() => stream.reopen(-1), { code: 'RANGE', message: /example/ })
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
