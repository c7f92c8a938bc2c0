import { type DataSpec, loadData } from '@saddle/core'
import t from 'tap'
import { base, distance, histogram, norm, ROUNDING, row } from './points.js'

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
