import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DataSpec, loadData } from '@saddle/core'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { base, distance, histogram, norm, ROUNDING, row } from './points.js'

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
