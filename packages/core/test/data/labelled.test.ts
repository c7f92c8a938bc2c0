import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadLabelled } from '@saddle/core'
import t from 'tap'

/** An NPY file of format 1.0, written out by hand. */
function npy(file: string, descr: string, shape: readonly number[], data: ArrayBufferView): string {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`.padEnd(117)
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const head = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${text}\n`, 'latin1')
  writeFileSync(file, Buffer.concat([head, bytes]))
  return file
}

t.test('examples keep their units and their labels, whatever the type of the file', async t => {
  const dir = t.testdir()
  const labels = npy(join(dir, 'y.npy'), '<i8', [2], BigInt64Array.of(3n, 0n))
  const read = (descr: string, data: ArrayBufferView, more = {}) =>
    loadLabelled({
      inputs: npy(join(dir, 'x.npy'), descr, [2, 2, 2], data),
      labels,
      outputs: 10,
      ...more,
    })
  const values = [0, 51, 102, 255, 1, 2, 3, 4]
  const bytes = await read('|u1', Uint8Array.from(values))
  t.same([...bytes.data.inputs], [...Float32Array.from(values, v => v * (1 / 255))])
  t.same([...bytes.data.labels], [3, 0])
  t.match(bytes, { scale: 255, shape: [2, 2], data: { count: 2, dimension: 4 } })
  t.match(bytes.remarks, [/divided by 255/])
  t.same([...(await read('|u1', Uint8Array.from(values), { scale: 1 })).data.inputs], values)
  const binary = await read('|u1', Uint8Array.of(0, 1, 1, 0, 1, 1, 0, 0))
  t.same([...binary.data.inputs], [0, 1, 1, 0, 1, 1, 0, 0])
  const doubles = await read('<f8', Float64Array.from(values))
  t.same([...doubles.data.inputs], values)
  t.same(doubles.remarks, [])
  const floats = await read('<f4', Float32Array.from(values))
  t.equal(floats.hash, doubles.hash, 'the same numbers have the same hash')
  t.not(floats.hash, bytes.hash)
})

t.test('labels are those of the model, or are refused', async t => {
  const dir = t.testdir()
  const inputs = npy(join(dir, 'x.npy'), '<f4', [3, 1], Float32Array.of(1, 2, 3))
  const read = (outputs: number, ...values: number[]) =>
    loadLabelled({
      inputs,
      labels: npy(join(dir, 'y.npy'), '<f4', [values.length], Float32Array.from(values)),
      outputs,
    })
  t.same([...(await read(1, -1, 1, 1)).data.labels], [-1, 1, 1])
  const zeros = await read(1, 0, 1, 0)
  t.same([...zeros.data.labels], [-1, 1, -1])
  t.match(zeros.remarks, [/0 is taken for −1/])
  t.same((await read(2, 0, 1, 1)).data.classes, ['0', '1'])
  const refused = [
    [1, [-1, 0, 1], /example 1 is 0, but the model has one output: −1 and 1, or 0 and 1/],
    [1, [1, 2, 1], /example 1 is 2/],
    [3, [0, 3, 1], /example 1 is 3, but the model has 3 outputs: 0 to 2/],
    [3, [0, 1, -1], /example 2 is -1/],
    [3, [0, 1.5, 1], /example 1 is 1.5/],
    [3, [0, 1], /3 examples, but .* 2 labels/],
  ] as const
  for (const [outputs, values, message] of refused)
    await t.rejects(read(outputs, ...values), { code: 'DATA', message })
  await t.rejects(loadLabelled({ inputs: join(dir, 'no.npy'), labels: inputs, outputs: 2 }), {
    code: 'DATA',
    message: /no such file/,
  })
})
