import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  readSafetensors,
  type SafeTensor,
  writeSafetensors,
} from '../../dist/checkpoint/safetensors.js'

async function write(
  t: Test,
  tensors: readonly SafeTensor[],
  metadata: Record<string, string> = {},
): Promise<string> {
  const file = join(t.testdir(), 'x.safetensors')
  await using handle = await open(file, 'w')
  const { bytes, sha256 } = await writeSafetensors(handle, tensors, metadata)
  const content = readFileSync(file)
  t.equal(content.length, bytes)
  t.equal(createHash('sha256').update(content).digest('hex'), sha256)
  return file
}

/** A file with this header and data. */
function raw(t: Test, header: string, data: Uint8Array | number[] = []): string {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)))
  const file = join(t.testdir(), 'x.safetensors')
  writeFileSync(file, Buffer.concat([length, Buffer.from(header), Buffer.from(data)]))
  return file
}

t.test('the bytes are those of the format, written out by hand', async t => {
  const file = await write(t, [{ name: 'a', shape: [1, 2], data: Float32Array.of(1, -2) }])
  const json = '{"__metadata__":{},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}'
  const padded = json.padEnd(Math.ceil(json.length / 8) * 8)
  const content = readFileSync(file)
  t.equal(content.readBigUInt64LE(0), BigInt(padded.length))
  t.equal(content.subarray(8, 8 + padded.length).toString(), padded)
  t.same([...content.subarray(8 + padded.length)], [0, 0, 128, 63, 0, 0, 0, 192])
})

t.test('a file that another program wrote is read', async t => {
  // As Python's safetensors 0.8.0 wrote save_file({'b': int32 [[1,2,3]], 'a': float64 0.5}, …).
  const header =
    '{"__metadata__":{"format":"np"},"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]},' +
    '"b":{"dtype":"I32","shape":[1,3],"data_offsets":[8,20]}}    '
  const data = [0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]
  const { tensors, metadata } = await readSafetensors(raw(t, header, data))
  t.same(metadata, { format: 'np' })
  t.same(tensors.get('a'), { name: 'a', shape: [], data: Float64Array.of(0.5) })
  t.same(tensors.get('b'), { name: 'b', shape: [1, 3], data: Int32Array.of(1, 2, 3) })
})

t.test('half precision of both kinds is read as the float32 it stands for', async t => {
  // numpy.float16 of 1, −2, 65504, 6e-8 (the least), 0.333251953125, −0, ∞; then the upper bytes of float32 1, −2.5, 3e38.
  const header =
    '{"h":{"dtype":"F16","shape":[7],"data_offsets":[0,14]},' +
    '"b":{"dtype":"BF16","shape":[3],"data_offsets":[14,20]}}'
  const halves = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x3555, 0x8000, 0x7c00, 0x3f80, 0xc020, 0x7f62]
  const data = halves.flatMap(half => [half & 0xff, half >> 8])
  const { tensors } = await readSafetensors(raw(t, header, data))
  t.same(
    tensors.get('h')!.data,
    Float32Array.of(1, -2, 65504, 2 ** -24, 0.333251953125, -0, Number.POSITIVE_INFINITY),
  )
  t.same(tensors.get('b')!.data, Float32Array.of(1, -2.5, 226 * 2 ** 120))
})

const tensor = fc
  .record({
    name: fc.string({ minLength: 1 }).filter(name => name !== '__metadata__'),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 }),
    kind: fc.constantFrom(Float32Array, Float64Array, Int32Array),
    seed: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  })
  .map(({ name, shape, kind, seed }) => {
    const length = shape.reduce((a, b) => a * b, 1)
    const bytes = Uint8Array.from(
      { length: length * kind.BYTES_PER_ELEMENT },
      (_, i) => seed[i % 8]! ^ i,
    )
    return { name, shape, data: new kind(bytes.buffer) }
  })

t.test('what is written reads back bit for bit, of any shape and type, aligned', async t => {
  const bits = ({ buffer, byteOffset, byteLength }: SafeTensor['data']) =>
    Buffer.from(buffer, byteOffset, byteLength).toString('hex')
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 }),
      fc.dictionary(fc.string(), fc.string()),
      async (tensors, metadata) => {
        const file = await write(t, tensors, metadata)
        const back = await readSafetensors(file)
        t.same(back.metadata, metadata)
        t.equal(back.tensors.size, tensors.length)
        for (const { name, shape, data } of tensors) {
          const found = back.tensors.get(name)!
          t.same(found.shape, shape)
          t.equal(found.data.constructor, data.constructor)
          t.equal(bits(found.data), bits(data))
        }
        t.equal(readFileSync(file).readBigUInt64LE(0) % 8n, 0n)
      },
    ),
    { numRuns: 50 },
  )
})

t.test('data larger than a chunk, in shared memory, at an offset, come through whole', async t => {
  const length = (1 << 21) + 12345
  const data = new Float32Array(new SharedArrayBuffer(4 * (length + 7)), 28, length)
  for (let i = 0; i < length; i++) data[i] = i
  const file = await write(t, [{ name: 'w', shape: [length], data }])
  const back = (await readSafetensors(file)).tensors.get('w')!.data
  t.equal(back.length, length)
  t.equal(
    back.findIndex((x, i) => x !== i),
    -1,
  )
})

t.test('without a handle nothing is written, and length and hash are the same', async t => {
  const tensors = [{ name: 'a', shape: [3], data: Float32Array.of(1, 2, 3) }]
  const measured = await writeSafetensors(null, tensors, { a: 'b' })
  const content = readFileSync(await write(t, tensors, { a: 'b' }))
  t.equal(measured.bytes, content.length)
  t.equal(measured.sha256, createHash('sha256').update(content).digest('hex'))
})

t.test('shapes that do not fit, and names that are taken, are refused before writing', async t => {
  const data = Float32Array.of(1, 2)
  const refused = (...tensors: SafeTensor[]) =>
    t.rejects(writeSafetensors(null, tensors), { code: 'SHAPE' })
  await refused({ name: 'a', shape: [3], data })
  await refused({ name: 'a', shape: [2], data }, { name: 'a', shape: [2], data })
  await refused({ name: '__metadata__', shape: [2], data })
})

t.test('a damaged file is refused, saying why', async t => {
  const entry = (more: object) =>
    JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...more } })
  const eight = new Uint8Array(8)
  const table: [reason: RegExp, file: (t: Test) => string][] = [
    [/cannot be opened/, t => join(t.testdir(), 'nowhere')],
    [/header says that it is 0 bytes long, of a file of 3/, t => short(t, 3)],
    [/header says that it is 72057594037927936 bytes long/, t => short(t, 8, 7)],
    [/not a JSON object/, t => raw(t, '{"a":')],
    [/not a JSON object/, t => raw(t, '[]')],
    [/not a JSON object/, t => raw(t, 'null')],
    [/metadata are not texts/, t => raw(t, '{"__metadata__":{"a":1}}')],
    [
      /type F8_E5M2, and only F32, F64, I32, F16, BF16/,
      t => raw(t, entry({ dtype: 'F8_E5M2' }), eight),
    ],
    [/is of type undefined/, t => raw(t, '{"a":3}')],
    [/has shape \[-2\]/, t => raw(t, entry({ shape: [-2] }), eight)],
    [/has shape \[0\.5\]/, t => raw(t, entry({ shape: [0.5] }), eight)],
    [/has offsets \[0\]/, t => raw(t, entry({ data_offsets: [0] }), eight)],
    [/takes 8 bytes, and has 4/, t => raw(t, entry({ data_offsets: [0, 4] }), eight)],
    [
      /takes 9e\+30 bytes|takes .* bytes, and has 8/,
      t => raw(t, entry({ shape: [1e15, 1e15] }), eight),
    ],
    [
      /should begin at byte 0, and begins at 8/,
      t => raw(t, entry({ data_offsets: [8, 16] }), [...eight, ...eight]),
    ],
    [/describes 8 bytes of data, and it holds 7/, t => raw(t, entry({}), eight.subarray(1))],
    [/describes 8 bytes of data, and it holds 9/, t => raw(t, entry({}), [...eight, 0])],
    [
      /tensor "b" should begin at byte 8, and begins at 4/,
      t =>
        raw(
          t,
          JSON.stringify({
            a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
            b: { dtype: 'F32', shape: [2], data_offsets: [4, 12] },
          }),
          new Uint8Array(12),
        ),
    ],
  ]
  for (const [reason, file] of table)
    await t.test(String(reason), async t => {
      const path = file(t)
      await t.rejects(readSafetensors(path), {
        code: 'CHECKPOINT',
        message: reason,
        fields: { file: path },
      })
    })
})

/** A file of n bytes, all 0 but the one at `one`. */
function short(t: Test, n: number, one = -1): string {
  const file = join(t.testdir(), 'x.safetensors')
  writeFileSync(
    file,
    Uint8Array.from({ length: n }, (_, i) => Number(i === one)),
  )
  return file
}
