import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DataSpec, type Dataset, loadData } from '@saddle/core'
import fc from 'fast-check'
import t, { type Test } from 'tap'

const base: DataSpec = {
  source: { kind: 'mnist' },
  classes: null,
  labels: 'classes',
  count: null,
  testCount: null,
  sphere: { kind: 'none' },
  pool: 1,
}

/** Coordinates are rounded to float32 (2^-24 each, relatively), and so is their norm, at most. */
const ROUNDING = 1e-7

function row({ inputs, dimension }: Dataset, i: number): number[] {
  return [...inputs.subarray(i * dimension, (i + 1) * dimension)]
}

function norm(x: readonly number[]): number {
  return Math.sqrt(x.reduce((sum, v) => sum + v * v, 0))
}

function distance(x: readonly number[], y: readonly number[]): number {
  return norm(x.map((v, j) => v - y[j]!))
}

function histogram(labels: Iterable<number>): number[] {
  const counts: number[] = []
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1
  return counts
}

/** Loads rows `[…inputs, label]` by way of a CSV file, with test rows if there are any. */
async function loadRows(
  t: Test,
  rows: readonly (number | string)[][],
  more: Partial<DataSpec>,
  testRows?: readonly (number | string)[][],
) {
  const directory = t.testdir()
  const write = (name: string, lines: readonly (number | string)[][]) =>
    writeFileSync(join(directory, name), lines.map(line => `${line.join(',')}\n`).join(''))
  write('x.csv', rows)
  if (testRows !== undefined) write('z.csv', testRows)
  const testFile = testRows === undefined ? undefined : 'z.csv'
  const spec = { ...base, source: { kind: 'csv', file: 'x.csv', testFile }, ...more } as const
  return loadData(spec, { seed: 0, directory })
}

t.test('MNIST has its 60000 and 10000 images, its labels and its pixels', async t => {
  const { train, test, hash } = await loadData(base, { seed: 0 })
  t.same([train.name, train.count, train.dimension], ['train-images-idx3-ubyte', 60_000, 784])
  t.same([test!.name, test!.count, test!.dimension], ['t10k-images-idx3-ubyte', 10_000, 784])
  t.same(histogram(train.labels), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
  t.same(histogram(test!.labels), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
  t.same(train.classes, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
  t.same([...train.labels.subarray(0, 8)], [5, 0, 4, 1, 9, 2, 1, 3])

  // Back to bytes, the pixels have the MD5 that the file without its 16 bytes of header has
  const bytes = new Uint8Array(train.inputs.length)
  let sum = 0
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Math.round(255 * train.inputs[i]!)
    sum += bytes[i]!
  }
  t.equal(sum, 1_567_298_545)
  const header = Buffer.from('000008030000ea600000001c0000001c', 'hex')
  const md5 = createHash('md5').update(header).update(bytes).digest('hex')
  t.equal(md5, '6bbc9ace898e44ae57da46a324031adb', 'of the published train-images-idx3-ubyte')
  t.match(hash, /^[0-9a-f]{64}$/)
})

t.test(
  'two classes of MNIST become −1 and +1, balanced, the first of each in file order',
  async t => {
    const spec = { ...base, classes: [3, 8], labels: 'scalar', count: 101, testCount: 10 } as const
    const { train, test } = await loadData(spec, { seed: 0 })
    t.same(train.classes, ['3', '8'])
    t.same(
      [...train.labels],
      Array.from({ length: 101 }, (_, i) => (i % 2 === 0 ? -1 : 1)),
    )
    t.equal(test!.count, 10)
    const shorter = await loadData({ ...spec, count: 40 }, { seed: 0 })
    t.same(shorter.train.inputs, train.inputs.slice(0, 40 * 784), 'fewer examples are a prefix')

    const reversed = await loadData({ ...spec, classes: ['8', 3] }, { seed: 0 })
    t.same(reversed.train.classes, ['8', '3'])
    t.same(row(reversed.train, 0), row(train, 1), 'the class named first comes first')
    t.equal(reversed.train.labels[0], -1)

    const whole = await loadData({ ...base, classes: [3, 8] }, { seed: 0 })
    t.equal(whole.train.count, 6131 + 5851)
    t.equal(whole.test!.count, 1010 + 974)
    t.same(row(whole.train, 0), row(train, 0))
  },
)

t.test('pooling averages blocks of pixels', async t => {
  const spec = { ...base, classes: [0, 1], count: 4, testCount: 2 }
  const { train } = await loadData(spec, { seed: 0 })
  const pooled = await loadData({ ...spec, pool: 4 }, { seed: 0 })
  t.equal(pooled.train.dimension, 49)
  for (let i = 0; i < 4; i++) {
    const image = row(train, i)
    const expected = Array.from({ length: 49 }, (_, k) => {
      let sum = 0
      for (let a = 0; a < 16; a++) {
        const y = 4 * Math.floor(k / 7) + Math.floor(a / 4)
        sum += image[28 * y + 4 * (k % 7) + (a % 4)]!
      }
      return sum / 16
    })
    t.ok(row(pooled.train, i).every((x, k) => Math.abs(x - expected[k]!) <= ROUNDING))
  }
  await t.rejects(loadData({ ...spec, pool: 3 }, { seed: 0 }), {
    code: 'CONFIG',
    message: /data.pool is 3.*shape \[28, 28\]/,
  })
  await t.rejects(
    loadRows(
      t,
      [
        [1, 2, 'a'],
        [3, 4, 'b'],
      ],
      { pool: 2 },
    ),
    {
      code: 'CONFIG',
      message: /expected images/,
    },
  )
})

t.test('what a selection cannot have is refused, saying what there is', async t => {
  const rows = [
    [1, 'a'],
    [2, 'b'],
    [3, 'b'],
    [4, 'c'],
  ]
  const refused: [Partial<DataSpec>, RegExp][] = [
    [{ labels: 'scalar' }, /exactly two classes.*got 3.*a, b, c/],
    [{ classes: ['a', 'd'] }, /class "d", but x.csv has only the classes a, b, c/],
    [{ classes: ['a', 'a'] }, /names a class twice/],
    [{ classes: ['a'] }, /at least two classes/],
    [{ count: 4 }, /need 2 of class "a", but x.csv has only 1/],
    [{ classes: ['b', 'a'], count: 4 }, /need 2 of class "a"/],
  ]
  for (const [spec, message] of refused)
    await t.rejects(loadRows(t, rows, spec), { code: 'CONFIG', message })
  const uneven = await loadRows(t, rows, { classes: ['b', 'a'], count: 3 })
  t.same([...uneven.train.inputs], [2, 1, 3], 'what does not divide goes to earlier classes')
  await t.rejects(loadRows(t, rows, { classes: ['a', 'b'] }, [[9, 'c']]), {
    code: 'DATA',
    message: /z.csv has no example of the classes a, b; it has 1/,
  })
})

t.test('normalise, bias and lift give points of the unit sphere', async t => {
  const value = fc.double({ min: -1e3, max: 1e3, noNaN: true })
  await fc.assert(
    fc.asyncProperty(
      fc
        .array(fc.array(value, { minLength: 3, maxLength: 3 }), { minLength: 2, maxLength: 6 })
        .filter(rows => rows.every(x => norm(x.map(Math.fround)) > 1e-3)),
      fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      async (points, floor) => {
        const rows = points.map((x, i) => [...x, i])
        const last = rows.slice(1)
        const { train: plain } = await loadRows(t, rows, { sphere: { kind: 'normalise' } })
        const { train: biased } = await loadRows(t, rows, { sphere: { kind: 'bias', value: 0.5 } })
        const lifted = await loadRows(t, rows, { sphere: { kind: 'lift', floor } }, last)
        const scale = norm(row(lifted.train, 0)) / norm(points[0]!)
        let deepest = 1
        for (let i = 0; i < points.length; i++) {
          const x = points[i]!
          const unit = row(plain, i)
          const direction = x.map(v => v / norm(x))
          if (Math.abs(norm(unit) - 1) > ROUNDING) return false
          if (distance(unit, direction) > ROUNDING) return false

          const b = row(biased, i)
          const expected = [...direction, 0.5].map(v => v / Math.sqrt(1.25))
          if (distance(b, expected) > ROUNDING || b.length !== 4) return false

          // The chart map sends lift data to points of norm 1, whose last coordinate is above the floor
          const chart = row(lifted.train, i)
          const top = Math.sqrt(1 - norm(chart) ** 2)
          if (!(top >= floor) || Math.abs(norm([...chart, top]) - 1) > ROUNDING) return false
          // one scale for all; the first point's, which it is read from, is rounded as well
          const error = distance(
            chart,
            x.map(v => v * scale),
          )
          if (error > 2 * ROUNDING * norm(chart)) return false
          if (i > 0 && distance(row(lifted.test!, i - 1), chart) !== 0) return false
          deepest = Math.min(deepest, top)
        }
        // the longest point reaches down to the floor, but for the millionth that rounding was given
        return deepest ** 2 - floor ** 2 < 3e-6
      },
    ),
    { numRuns: 60 },
  )
})

t.test('the lift of a test part that reaches farther keeps to the floor too', async t => {
  const sphere = { kind: 'lift', floor: 0.6 } as const
  const near = [
    [1, 0, 'a'],
    [0, 0, 'b'],
  ]
  const { train, test } = await loadRows(t, near, { sphere }, [[0, 4, 'a']])
  t.ok(Math.abs(test!.inputs[1]! - 0.8) < 2e-6)
  t.ok(Math.abs(train.inputs[0]! - 0.2) < 1e-6, 'the same scale')
  t.same(row(train, 1), [0, 0], 'a zero vector may be lifted')
})

t.test('a zero vector cannot be normalised: the error names it', async t => {
  const rows = [
    [1, 0, 'a'],
    [2, 2, 'b'],
    [0, 0, 'b'],
  ]
  for (const sphere of [{ kind: 'normalise' }, { kind: 'bias', value: 1 }] as const) {
    const expected = { code: 'DATA', message: /x.csv: example 2 is a zero vector/ }
    await t.rejects(loadRows(t, rows, { sphere }), expected)
    await t.resolves(loadRows(t, rows, { sphere, count: 2 }), 'unless it is not chosen')
  }
  const zeros = [
    [0, 'a'],
    [0, 'b'],
  ]
  await t.rejects(loadRows(t, zeros, { sphere: { kind: 'lift', floor: 0.5 } }), {
    code: 'DATA',
    message: /all examples are zero vectors/,
  })
})

t.test('the hash changes with any input, label, or the split', async t => {
  const rows = [
    [1, 2, 'a'],
    [3, 4, 'b'],
  ]
  const { hash } = await loadRows(t, rows, {})
  t.equal((await loadRows(t, rows, {})).hash, hash)
  const others = [
    await loadRows(t, [[1, 2.0000002, 'a'], rows[1]!], {}),
    await loadRows(t, rows, { classes: ['b', 'a'] }),
    await loadRows(t, rows, {}, [rows[1]!]),
    await loadRows(
      t,
      [
        [1, 2, 3, 4, 'a'],
        [1, 2, 3, 4, 'b'],
      ],
      {},
    ),
  ]
  t.equal(new Set([hash, ...others.map(other => other.hash)]).size, 5)
})

t.test('clusters keep their separation and spread, and both parts share the centres', async t => {
  const source = {
    kind: 'clusters',
    dimension: 5,
    clusters: 4,
    separation: 1.2,
    spread: 0.1,
  } as const
  const spec = { ...base, source, count: 200, testCount: 80 }
  const { train, test } = await loadData(spec, { seed: 1 })
  t.equal(train.count, 200)
  t.same(histogram(train.labels), [50, 50, 50, 50])
  t.same(histogram(test!.labels), [20, 20, 20, 20])
  const all = [train, test!].flatMap(part =>
    Array.from({ length: part.count }, (_, i) => ({ x: row(part, i), label: part.labels[i]! })),
  )
  t.ok(all.every(({ x }) => Math.abs(norm(x) - 1) <= ROUNDING))
  let widest = 0
  let closest = 2
  for (const a of all)
    for (const b of all)
      if (a.label === b.label) widest = Math.max(widest, distance(a.x, b.x))
      else closest = Math.min(closest, distance(a.x, b.x))
  t.ok(widest <= 0.2 + ROUNDING, 'within twice the spread, across parts too')
  t.ok(widest > 0.15, 'the spread is used')
  t.ok(closest >= 1.2 - 0.2 - ROUNDING)

  const again = await loadData({ ...spec, count: 100, testCount: null }, { seed: 1 })
  t.same(again.train.inputs, train.inputs.slice(0, 500), 'keyed by example: fewer are a prefix')
  t.equal(again.test, null)
  const other = await loadData(spec, { seed: 2 })
  t.not(other.hash, (await loadData(spec, { seed: 1 })).hash)
  t.notSame(row(test!, 0), row(train, 0), 'the parts are drawn apart')

  const scalar = await loadData({ ...spec, labels: 'scalar' }, { seed: 1 })
  t.same([...scalar.train.labels.subarray(0, 5)], [-1, 1, -1, 1, -1])
  t.same(scalar.train.inputs, train.inputs)
})

t.test('centres are found where there is hardly room, and refused where there is none', async t => {
  const make = (dimension: number, clusters: number, separation: number, spread = 0) =>
    loadData(
      {
        ...base,
        source: { kind: 'clusters', dimension, clusters, separation, spread },
        count: clusters,
      },
      { seed: 3 },
    )
  // a regular simplex of 4 in R^3 has sides of √(8/3) = 1.633, a square in the plane √2 = 1.414
  for (const [dimension, clusters, separation] of [
    [3, 4, 1.6],
    [2, 4, 1.4],
    [2, 2, 1.99],
    [50, 60, 1.3],
  ] as const) {
    const { train } = await make(dimension, clusters, separation)
    for (let i = 0; i < clusters; i++)
      for (let j = 0; j < i; j++) {
        const apart = distance(row(train, i), row(train, j))
        if (apart < separation - ROUNDING) t.fail(`${i} and ${j} are ${apart} apart`)
      }
    t.equal(train.count, clusters)
  }
  for (const [dimension, clusters, separation] of [
    [2, 4, 1.42],
    [3, 2, 2.01],
    [3, 5, 1.5],
  ] as const)
    await t.rejects(make(dimension, clusters, separation), {
      code: 'CONFIG',
      message: /cluster centres at least .* apart were not found/,
    })
  await t.rejects(make(3, 2, 1, 2.5), { code: 'CONFIG', message: /spread is 2.5/ })
})

t.test('pairs are in S_δ: inside a pair gap·2δ, otherwise more than 2δ', async t => {
  for (const [dimension, delta, gap, count] of [
    [3, 0.1, 1.1, 60],
    [20, 0.3, 1.5, 100],
    [2, 0.05, 1.01, 20],
  ] as const) {
    const source = { kind: 'pairs', dimension, delta, gap } as const
    const { train, test } = await loadData(
      { ...base, source, labels: 'scalar', count, testCount: 10 },
      { seed: 4 },
    )
    t.equal(test!.count, 10)
    for (let i = 0; i < count; i++) {
      const x = row(train, i)
      if (Math.abs(norm(x) - 1) > ROUNDING) t.fail(`norm of example ${i}`)
      if (train.labels[i] !== (i % 2 === 0 ? -1 : 1)) t.fail(`label of example ${i}`)
      for (let j = 0; j < i; j++) {
        const apart = distance(x, row(train, j))
        if (!(apart > 2 * delta)) t.fail(`${j} and ${i} are ${apart} apart`)
        if (i % 2 === 1 && j === i - 1 && Math.abs(apart - 2 * delta * gap) > 2 * ROUNDING)
          t.fail(`pair ${j}, ${i} is ${apart} apart`)
      }
    }
    t.notSame(row(test!, 0), row(train, 0))
  }
})

t.test('synthetic data that cannot be made are refused', async t => {
  const pairs = { kind: 'pairs', dimension: 2, delta: 0.1, gap: 1.1 } as const
  const refused: [Partial<DataSpec>, RegExp][] = [
    [{ source: pairs, count: 9 }, /even number of examples, got 9/],
    [{ source: pairs, count: 400 }, /Only \d+ of 400 points more than 2 delta = 0.2 apart/],
    [{ source: { ...pairs, delta: 0.95 }, count: 2 }, /gap · 2 delta = 2.09/],
    [{ source: { ...pairs, gap: 1 }, count: 2 }, /expected gap > 1/],
    [{ source: pairs, count: null }, /data.count is null/],
    [{ source: pairs, count: 4, classes: [0, 1] }, /"pairs" makes its own/],
  ]
  for (const [spec, message] of refused)
    await t.rejects(loadData({ ...base, ...spec }, { seed: 0 }), { code: 'CONFIG', message })
})
