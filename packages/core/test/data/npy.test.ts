import fc from 'fast-check'
import t from 'tap'
import { type Expected, type Files, load, plain, refuses } from './loading.js'

type Write = (view: DataView, at: number, value: number, little: boolean) => void
const writers: Record<string, Write> = {
  u1: (v, at, x) => v.setUint8(at, x),
  i1: (v, at, x) => v.setInt8(at, x),
  u2: (v, at, x, little) => v.setUint16(at, x, little),
  i2: (v, at, x, little) => v.setInt16(at, x, little),
  u4: (v, at, x, little) => v.setUint32(at, x, little),
  i4: (v, at, x, little) => v.setInt32(at, x, little),
  u8: (v, at, x, little) => v.setBigUint64(at, BigInt(x), little),
  i8: (v, at, x, little) => v.setBigInt64(at, BigInt(x), little),
  f4: (v, at, x, little) => v.setFloat32(at, x, little),
  f8: (v, at, x, little) => v.setFloat64(at, x, little),
}

interface NpyOptions {
  descr?: string
  fortran?: boolean
  version?: 1 | 2 | 3
}

function npy(shape: number[], elements: number[], options: NpyOptions = {}): Buffer {
  const { descr = '<f8', fortran = false, version = 1 } = options
  const order = fortran ? 'True' : 'False'
  const sizes = `${shape.join(', ')}${shape.length === 1 ? ',' : ''}`
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${sizes}), }\n`
  const length = Buffer.alloc(version === 1 ? 2 : 4)
  if (version === 1) length.writeUInt16LE(header.length)
  else length.writeUInt32LE(header.length)
  const size = Number(descr.slice(2))
  const body = new DataView(new ArrayBuffer(size * elements.length))
  elements.forEach((x, i) => {
    writers[descr.slice(1)]!(body, i * size, x, descr[0] === '<')
  })
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0])
  return Buffer.concat([start, length, Buffer.from(header), Buffer.from(body.buffer)])
}

const npySource = { kind: 'npy', inputs: 'x', labels: 'y' } as const

t.test('an NPY file is read in every version, element type and byte order', async t => {
  const values = [1, 2, 3, 100, 5, 6]
  const y = npy([3], [0, 1, 1], { descr: '<i8' })
  for (const type of Object.keys(writers))
    for (const byteOrder of type.endsWith('1') ? ['|'] : ['<', '>'])
      for (const version of [1, 2, 3] as const) {
        const x = npy([3, 2], values, { descr: byteOrder + type, version })
        const { train } = await load(t, { x, y }, plain(npySource))
        t.same([...train.inputs], values, `${byteOrder}${type}, version ${version}`)
      }
})

t.test('an NPY file as NumPy itself wrote it is read', async t => {
  // numpy.save(x, numpy.arange(6, dtype='float32').reshape(2, 3) / 2): 64-aligned header, padded with spaces
  const head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
  const x = Buffer.concat([
    Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]),
    Buffer.from(`${head.padEnd(117)}\n`),
    Buffer.from(Float32Array.from([0, 0.5, 1, 1.5, 2, 2.5]).buffer),
  ])
  const { train } = await load(t, { x, y: npy([2], [0, 1]) }, plain(npySource))
  t.same([...train.inputs], [0, 0.5, 1, 1.5, 2, 2.5])
})

t.test('Fortran order gives the same examples as C order', async t => {
  const sizes = fc.integer({ min: 1, max: 4 })
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 4 }),
      fc.array(sizes, { minLength: 1, maxLength: 3 }),
      fc.constantFrom('<f4', '|u1'),
      async (n, rest, descr) => {
        const shape = [n, ...rest]
        const count = shape.reduce((a, b) => a * b)
        const rowMajor = Array.from({ length: count }, (_, i) => i)
        const columnMajor: number[] = []
        rowMajor.forEach(value => {
          let remaining = value
          let at = 0
          for (let axis = shape.length - 1; axis >= 0; axis--) {
            const index = remaining % shape[axis]!
            remaining = Math.floor(remaining / shape[axis]!)
            at += index * shape.slice(0, axis).reduce((a, b) => a * b, 1)
          }
          columnMajor[at] = value
        })
        const x = npy(shape, columnMajor, { descr, fortran: true })
        const y = npy(
          [n],
          Array.from({ length: n }, (_, i) => i),
        )
        const { train } = await load(t, { x, y }, plain(npySource))
        return train.dimension === count / n && rowMajor.every((v, i) => train.inputs[i] === v)
      },
    ),
    { numRuns: 40 },
  )
})

t.test('a damaged NPY file is refused', async t => {
  const x = npy([2, 2], [1, 2, 3, 4])
  const y = npy([2], [0, 1])
  const named = (from: string, to: string) =>
    Buffer.from(x.toString('latin1').replace(from, to), 'latin1')
  const refused: [Files, Expected][] = [
    [
      { x: x.subarray(0, -3), y },
      { code: 'DATA', message: /x: expected \d+ bytes.*2 × 2 elements of 8.*truncated/ },
    ],
    [
      { x: Buffer.concat([x, x]), y },
      { code: 'DATA', message: /x: expected \d+ bytes.*trail/ },
    ],
    [
      { x: x.subarray(0, 30), y },
      { code: 'DATA', message: /x: expected \d+ bytes \(a header of/ },
    ],
    [
      { x: x.subarray(0, 9), y },
      { code: 'DATA', message: /x: expected 10 bytes/ },
    ],
    [
      { x: 'NUMPY', y },
      { code: 'DATA', message: /x is not an NPY file/ },
    ],
    [
      { x: named('<f8', '<c8'), y },
      { code: 'DATA', message: /x: the NPY header is .*<c8.*expected plain elements/ },
    ],
    [
      { x: named('(2, 2)', '(2, q)'), y },
      { code: 'DATA', message: /x: the NPY header is .*\(2, q\)/ },
    ],
    [
      { x: npy([4], [1, 2, 3, 4]), y },
      { code: 'DATA', message: /x: expected inputs of shape.*got \[4\]/ },
    ],
    [
      { x, y: x },
      { code: 'DATA', message: /y: expected labels of shape \[n\], got \[2, 2\]/ },
    ],
    [
      { x, y: npy([3], [0, 1, 1]) },
      { code: 'DATA', message: /x has 2 examples, but y has 3 labels/ },
    ],
    [
      { x, y: npy([2], [0, 0.5]) },
      { code: 'DATA', message: /y: the label of example 1 is 0.5; expected a whole number/ },
    ],
    [
      { x: npy([2, 0], []), y },
      { code: 'DATA', message: /x: expected examples of at least one number/ },
    ],
  ]
  for (const [files, expected] of refused) await refuses(t, files, plain(npySource), expected)
})

t.test('a value that is no finite float32 is refused, naming example and coordinate', async t => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1e39]) {
    const values = [1, 2, 3, 4, 5, bad, 7, 8]
    const files = { x: npy([2, 2, 2], values), y: npy([2], [0, 1]) }
    await refuses(t, files, plain(npySource), {
      code: 'DATA',
      message: /x: coordinate 1 of example 1 is (NaN|Infinity|1e\+39)/,
      fields: { example: 1, coordinate: 1 },
    })
    const { train } = await load(
      t,
      { x: npy([3, 2], [...values.slice(0, 4), bad, 1]), y: npy([3], [0, 1, 2]) },
      plain(npySource, { classes: [0, 1] }),
    )
    t.equal(train.count, 2, 'examples that are not used are not judged')
  }
})
