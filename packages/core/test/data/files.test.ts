import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type DataSpec, loadData } from '@saddle/core'
import t from 'tap'
import { type Expected, type Files, load, plain, refuses } from './loading.js'

function idx(shape: number[], elements: Uint8Array | number[], type = 8): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length)
  header.set([0, 0, type, shape.length])
  shape.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i)
  })
  return Buffer.concat([header, Buffer.from(elements)])
}

const idxSource = { kind: 'idx', images: 'x', labels: 'y' } as const
const npySource = { kind: 'npy', inputs: 'x', labels: 'y' } as const
const csvSource = { kind: 'csv', file: 'x.csv' } as const
const twoImages = idx([2, 1, 3], [0, 51, 255, 102, 0, 204])

t.test('an IDX file of pixels becomes rows in 0..1, packed or not', async t => {
  const labels = idx([2], [7, 3])
  for (const files of [
    { x: twoImages, y: labels },
    { x: gzipSync(twoImages), y: gzipSync(labels) },
  ]) {
    const { train, test } = await load(t, files, plain(idxSource))
    t.same([...train.inputs], [0, 0.2, 1, 0.4, 0, 0.8].map(Math.fround))
    t.same([...train.labels], [1, 0], 'classes in ascending order')
    t.same(train.classes, ['3', '7'])
    t.equal(test, null)
    t.ok(train.inputs.buffer instanceof SharedArrayBuffer)
    t.ok(train.labels.buffer instanceof SharedArrayBuffer)
    t.match(train, { name: 'x', count: 2, dimension: 3 })
  }
})

t.test('IDX files of other element types are taken as they are', async t => {
  const values = [0.5, -2, 1e10, 3]
  const body = Buffer.alloc(32)
  values.forEach((x, i) => {
    body.writeDoubleBE(x, 8 * i)
  })
  const files = { x: idx([2, 2], body, 14), y: idx([2], [0, 1]) }
  const { train } = await load(t, files, plain(idxSource))
  t.same([...train.inputs], values)
})

t.test('a damaged IDX file is refused, with expected and got bytes', async t => {
  const y = idx([2], [0, 1])
  const refused: [Files, Expected][] = [
    [
      { x: twoImages.subarray(0, 20), y },
      { code: 'DATA', message: /x: expected 22 bytes.*got 20.*truncated/, fields: { got: 20 } },
    ],
    [
      { x: Buffer.concat([twoImages, Buffer.alloc(2)]), y },
      { code: 'DATA', message: /x: expected 22 bytes.*got 24: 2 bytes trail/ },
    ],
    [
      { x: twoImages.subarray(0, 9), y },
      { code: 'DATA', message: /expected 16 bytes.*header.*got 9/ },
    ],
    [
      { x: idx([2, 3], Array(6).fill(0), 10), y },
      { code: 'DATA', message: /x is not an IDX file.*got 0, 0, 10, 2/ },
    ],
    [
      { x: 'hello, world', y },
      { code: 'DATA', message: /x is not an IDX file.*104, 101/ },
    ],
    [
      { x: '', y },
      { code: 'DATA', message: /x is not an IDX file.*empty/ },
    ],
    [
      { x: twoImages, y: idx([3], [0, 1, 1]) },
      { code: 'DATA', message: /x has 2 examples, but y has 3 labels/ },
    ],
    [
      { x: y, y: twoImages },
      { code: 'DATA', message: /images of shape.*got \[2\].*exchanged/ },
    ],
    [
      { x: twoImages, y: twoImages },
      { code: 'DATA', message: /y: expected labels of shape \[n\], got \[2, 1, 3\]/ },
    ],
    [
      { x: gzipSync(twoImages).subarray(0, 25), y },
      { code: 'DATA', message: /x begins like a gzip file but cannot be unpacked/ },
    ],
    [{ y }, { code: 'DATA', message: /Data file x: no such file; expected it at \/.*\/x/ }],
  ]
  for (const [files, expected] of refused) await refuses(t, files, plain(idxSource), expected)
})

t.test('CSV is read with and without a header, the label in any column', async t => {
  const lines = '1,2,cat\n\n 3 , "4",dog\n5e-1,6,cat\n'
  const bare = await load(t, { 'x.csv': lines }, plain(csvSource))
  t.same([...bare.train.inputs], [1, 2, 3, 4, 0.5, 6])
  t.same([...bare.train.labels], [0, 1, 0])
  t.same(bare.train.classes, ['cat', 'dog'])

  const headed = await load(
    t,
    { 'x.csv': '\ufeffkind,a,b\r\n10,1,2\r\n9,3,4\r\n' },
    plain({ ...csvSource, header: true, labelColumn: 0 }),
  )
  t.same([...headed.train.inputs], [1, 2, 3, 4])
  t.same(headed.train.classes, ['9', '10'], 'numbers in numeric order')
})

t.test('CSV test files come under the classes of the training file', async t => {
  const spec = plain({ ...csvSource, testFile: 'z.csv' })
  const { train, test } = await load(t, { 'x.csv': '1,a\n2,b\n', 'z.csv': '9,b\n' }, spec)
  t.same([...test!.labels], [1])
  t.equal(test!.classes, train.classes)
  await refuses(t, { 'x.csv': '1,a\n2,b\n', 'z.csv': '9,b\n8,c\n' }, spec, {
    code: 'DATA',
    message: /z.csv: the label of example 1 is "c", which is not among.*a, b/,
  })
  await refuses(t, { 'x.csv': '1,a\n2,b\n', 'z.csv': '9,9,b\n' }, spec, {
    code: 'DATA',
    message: /have 1 coordinates, but test examples \(z.csv\) have 2/,
  })
})

t.test('errors in CSV name line and column', async t => {
  const refused: [string, DataSpec['source'], Expected][] = [
    [
      '1,2,a\n3,four,b\n',
      csvSource,
      { code: 'DATA', message: /x.csv, line 2: .*column 1, got "four"/, fields: { line: 2 } },
    ],
    ['1,2,a\n\n3,,b\n', csvSource, { code: 'DATA', message: /x.csv, line 3: .*column 1, got ""/ }],
    ['1,2,a\n3,nan,b\n', csvSource, { code: 'DATA', message: /line 2: .*column 1, got "nan"/ }],
    ['1,2,a\n3,b\n', csvSource, { code: 'DATA', message: /line 2: expected 3 columns, got 2/ }],
    [
      '1,2,a\n3,4,\n',
      csvSource,
      { code: 'DATA', message: /line 2: the label in column 2 is empty/ },
    ],
    [
      'u,v,k\n3,4,b\n',
      csvSource,
      { code: 'DATA', message: /line 1: .*data.source.header to true/ },
    ],
    [
      'u,v,k\n3,x,b\n',
      { ...csvSource, header: true },
      { code: 'DATA', message: /line 2: expected a finite number in column 1 \("v"\), got "x"/ },
    ],
    ['1,"2,a\n', csvSource, { code: 'DATA', message: /x.csv is not well-formed CSV/ }],
    ['', csvSource, { code: 'DATA', message: /x.csv holds no examples/ }],
    ['1,2,0.5\n3,4,1\n', csvSource, { code: 'DATA', message: /label of example 0 is 0.5/ }],
    [
      '1,2,a\n3,4,b\n',
      { ...csvSource, labelColumn: 3 },
      { code: 'CONFIG', message: /3 columns, numbered from 0; expected the label in column 3/ },
    ],
    [
      'a\nb\n',
      csvSource,
      { code: 'CONFIG', message: /has 1 columns.*at least one column of inputs/ },
    ],
  ]
  for (const [content, source, expected] of refused)
    await refuses(t, { 'x.csv': content }, plain(source), expected)
})

t.test('relative paths are relative to the directory given, absolute ones to nothing', async t => {
  const directory = t.testdir({ 'x.csv': '1,a\n2,b\n' })
  const file = join(directory, 'x.csv')
  const relative = await loadData(plain({ kind: 'csv', file: './x.csv' }), { seed: 0, directory })
  const absolute = await loadData(plain({ kind: 'csv', file }), { seed: 0, directory: '/' })
  t.equal(relative.hash, absolute.hash)
})

t.test('half a test part, or a test count without one, is refused', async t => {
  const files = { x: twoImages, y: idx([2], [0, 1]) }
  await refuses(t, files, plain({ ...idxSource, testImages: 'x' }), {
    code: 'CONFIG',
    message: /data.source.testLabels is missing/,
  })
  await refuses(t, files, plain({ ...npySource, testLabels: 'y' }), {
    code: 'CONFIG',
    message: /data.source.testInputs is missing/,
  })
  await refuses(t, files, plain(idxSource, { testCount: 2 }), {
    code: 'CONFIG',
    message: /testCount is 2, but no test part is named/,
  })
})
