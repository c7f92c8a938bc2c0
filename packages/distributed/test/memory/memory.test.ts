import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { MappedMemory } from '../../dist/memory/mapped.js'
import { bytesOfArrays, describeArrays, findArrays, moveArrays } from '../../dist/memory/move.js'

/** Two arrays over one buffer, one of them twice, beside things that are no arrays. */
function structure() {
  const buffer = new SharedArrayBuffer(64)
  const floats = new Float32Array(buffer, 0, 4)
  const integers = new Int32Array(buffer, 16, 3)
  floats.set([1, 2, 3, 4])
  integers.set([5, 6, 7])
  return {
    name: 'x',
    none: null,
    list: [{ floats }, { again: floats }],
    integers,
    empty: new Float32Array(0),
  }
}

t.test('arrays move into the memory and are found there by their places', async t => {
  const value = structure()
  const old = value.list[0]!.floats!
  using memory = MappedMemory.create(bytesOfArrays([value]))
  t.equal(memory.bytes, 128, 'each array once, in whole lines of cache')
  moveArrays([value], memory)
  const [{ floats }, { again }] = value.list as [{ floats: Float32Array }, { again: Float32Array }]
  t.same(floats, new Float32Array([1, 2, 3, 4]))
  t.same(value.integers, new Int32Array([5, 6, 7]))
  t.equal(again, floats)
  floats[0] = 9
  t.equal(old[0], 1, 'the original is another array')
  const posted = structuredClone(describeArrays({ part: { row: floats.subarray(1, 3) }, value }))
  const found = findArrays(posted, memory)
  t.same(found.part.row, new Float32Array([2, 3]))
  found.part.row[0] = 8
  t.equal(floats[1], 8, 'and both are one memory')
  t.match(found.value, { name: 'x', none: null })
})

t.test('threads and processes write to the same memory', async t => {
  using memory = MappedMemory.create(4096)
  const { buffer } = memory.take(64)
  const numbers = new Int32Array(buffer)
  const script = new URL('../fixtures/writes-memory.mjs', import.meta.url)
  const { address, bytes } = memory
  const [thread] = await once(new Worker(script, { workerData: { address, bytes } }), 'exit')
  t.same([thread, numbers[1]], [0, 11])
  const stdio = ['ignore', 'inherit', 'inherit', 'ipc', memory.fd] as const
  const [code] = await once(fork(script, [String(bytes)], { stdio: [...stdio] }), 'exit')
  t.same([code, numbers[2]], [0, 22])
})

t.test(
  'memory takes room where it is written to, and none once it is given back',
  { skip: process.platform !== 'linux' && 'counts pages of Linux' },
  async t => {
    const pages = () =>
      Number(/^RssShmem:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))![1])
    const before = pages()
    const memory = MappedMemory.create(2 ** 32)
    const floats = new Float32Array(memory.take(2 ** 24).buffer)
    t.ok(pages() - before < 1024, 'four GiB reserved take less than one MiB')
    floats.fill(1)
    t.ok(pages() - before >= 2 ** 14, 'sixteen MiB written take them')
    memory[Symbol.dispose]()
    t.ok(pages() - before < 1024)
    t.notMatch(
      execFileSync('ls', ['-l', `/proc/${process.pid}/fd`], { encoding: 'utf8' }),
      /memfd:saddle/,
    )
  },
)

t.test('an array beyond the limit of this Node is refused, and says what to do', async t => {
  using memory = MappedMemory.create(2 ** 12)
  t.throws(() => memory.take(2 ** 54), { code: 'RANGE', message: /limit is \d+ GiB.*smaller/s })
})
