import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { currentBackend, listBackends, useBackend, withPrecision } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { closeCuda, cudaKernelNames } from '../../../dist/tensors/cuda/backend.js'
import { buildFake, noCompiler } from './fake/build.js'

/**
 * The backend on a fake driver: what a machine without a GPU can say of ordinals, memory, kernels' numbers, errors and
 * teardown.
 */
if (noCompiler !== false) {
  t.pass('nothing of cuda is tested here', { skip: noCompiler })
  process.exit(0)
}

const fake = buildFake()
const cache = join(fake.folder, 'cache')
Object.assign(process.env, {
  SADDLE_CUDA_LIBRARIES: fake.folder,
  XDG_CACHE_HOME: cache,
  FAKE_CUDA_LOG: fake.log,
})
const LANE = fileURLToPath(new URL('lane.mjs', import.meta.url))

t.teardown(() => {
  closeCuda()
  fake.remove()
})
t.afterEach(() => {
  for (const name of Object.keys(process.env))
    if (name.startsWith('FAKE_CUDA_') && name !== 'FAKE_CUDA_LOG') delete process.env[name]
})

/** The backend anew, so that a setting of the fake is looked at from the start. */
async function start(settings: Record<string, string> = {}, ordinal = 0) {
  closeCuda()
  rmSync(fake.log, { force: true })
  Object.assign(process.env, settings)
  return useBackend('cuda', ordinal)
}

const logged = () => (existsSync(fake.log) ? readFileSync(fake.log, 'utf8').trim().split('\n') : [])
const NOTHING_LEFT = /ended: 0 allocations, 0 streams, 0 modules, 0 handles left/

/** A process of its own, with libraries that this one has not opened yet. */
function lane(env: Record<string, string>, ordinal = 0) {
  const { stdout, stderr } = spawnSync(process.execPath, [LANE, String(ordinal)], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  return JSON.parse(stdout || JSON.stringify({ message: stderr }))
}

t.test("TensorFlow.js's own tests of its backends pass, and leave nothing behind", async t => {
  const script = fileURLToPath(new URL('../conformance/run.mjs', import.meta.url))
  rmSync(fake.log, { force: true })
  const { stdout, stderr } = spawnSync(process.execPath, [script, 'cuda'], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  const report = JSON.parse(stdout.trim().split('\n').at(-1) || `{"failures":[${stderr}]}`)
  t.comment(`${report.passed} specs passed; ${cudaKernelNames.length} kernels are the device's`)
  t.same(report.failures, [])
  t.ok(report.passed > 3800, `${report.passed} specs ran, of 3848 in TensorFlow.js 4.22`)
  t.match(logged().at(-1), NOTHING_LEFT)
})

t.test('auto takes a GPU before anything else, and says which', async t => {
  closeCuda()
  const { backend } = await useBackend('auto')
  t.equal(backend.name, 'cuda')
  t.match(backend.found?.(), /Fake GPU A \(cuda:0, 8.0 GiB, compute capability 9.0\).*CUDA 12.4/)
  t.match(backend.devices?.(), [
    { ordinal: 0, name: 'Fake GPU A', memoryBytes: 2 ** 33, computeCapability: '9.0' },
    { ordinal: 1, name: 'Fake GPU B', driver: 'CUDA 12.4' },
  ])
  t.ok(
    listBackends().every(
      ({ name, devices }) => ['cuda', 'tensorflow'].includes(name) || devices === undefined,
    ),
  )
})

t.test('another ordinal is another device; one that is not there is an error', async t => {
  await start({}, 1)
  t.match(currentBackend().found?.(), /Fake GPU B/)
  t.equal(tf.add(1, 2).dataSync()[0], 3)
  await useBackend('cuda', 0)
  t.match(currentBackend().found?.(), /Fake GPU A/)
  t.match(logged().at(-1), /device 1 ended: 0 allocations/, 'the first one was closed')
  await t.rejects(useBackend('cuda', 2), {
    code: 'BACKEND',
    message: /no cuda device 2: the driver sees 2 \(cuda:0 to cuda:1/,
  })
  await t.rejects(start({ FAKE_CUDA_DEVICES: '0' }), { message: /driver sees no device/ })
})

t.test('two threads on two devices compute the same at the same time, each on its own', async t => {
  closeCuda()
  rmSync(fake.log, { force: true })
  const reports = await Promise.all(
    [0, 1].map(async ordinal => {
      const worker = new Worker(LANE, { workerData: { ordinal } })
      const [[report]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')])
      return report
    }),
  )
  t.match(reports[0].found, /Fake GPU A \(cuda:0/)
  t.match(reports[1].found, /Fake GPU B \(cuda:1/)
  t.same(reports[0].numbers, reports[1].numbers)
  const ends = logged().filter(line => line.startsWith('context'))
  t.equal(ends.length, 2)
  for (const end of ends) t.match(end, /ended: 0 allocations/)
})

t.test('memory is counted, used again by size, and given back', async t => {
  await start()
  const state = () => tf.memory() as unknown as { bytesInUse: number; bytesWaiting: number }
  const make = () => tf.tidy(() => tf.add(tf.ones([300, 7]), tf.zeros([300, 7])).dataSync()[0])
  t.equal(make(), 1)
  const after = state()
  t.equal(after.bytesInUse, 0)
  t.ok(after.bytesWaiting >= 3 * 4 * 300 * 7)
  make()
  t.same(state(), after, 'the second time takes nothing new')
  tf.engine().startScope()
  tf.relu(tf.zeros([10]))
  t.ok(state().bytesInUse > 0)
  closeCuda()
  t.match(logged().at(-1), NOTHING_LEFT, 'tensors that nobody disposed of go with the backend')
})

t.test('without stream-ordered allocation memory is taken by cuMemAlloc', async t => {
  await start({ FAKE_CUDA_POOLS: '0', FAKE_CUDA_FAIL: 'cuMemAlloc:2', FAKE_CUDA_STATUS: '700' })
  const work = () => tf.tidy(() => tf.add(tf.tensor1d([1, 2]), 1).dataSync())
  t.throws(work, { message: /cuMemAlloc failed with/ })
})

t.test('what waits is given back before memory is said to be short', async t => {
  await start({ FAKE_CUDA_MEMORY: String(1 << 20) })
  const fill = (n: number) => tf.tidy(() => tf.relu(tf.fill([n], 2)).dataSync()[0])
  // Two tensors of 400 kB, then two of 480 kB: not all four at once.
  t.equal(fill(100_000), 2)
  t.equal(fill(120_000), 2)
  t.throws(() => fill(200_000), {
    code: 'BACKEND',
    message:
      /cuMemAllocAsync failed with CUDA_ERROR_OUT_OF_MEMORY \(0.\d+ MiB of 1.0 MiB free\).*0.81\d MiB were asked for.*compute.shard/,
  })
  t.equal(fill(10), 2, 'and smaller tensors still fit')
})

t.test('the first call that fails says which, with what, and how much memory there is', async t => {
  for (const [call, count, work] of [
    ['cuMemAllocAsync', 1, () => tf.relu(tf.tensor1d([1, 2]))],
    ['cuMemcpyHtoDAsync', 1, () => tf.relu(tf.tensor1d([1, 2]))],
    ['cuLaunchKernel', 1, () => tf.relu(tf.tensor1d([1, 2]))],
    ['cuMemcpyDtoHAsync', 1, () => tf.relu(tf.tensor1d([1, 2])).dataSync()],
    ['cuStreamSynchronize', 2, () => tf.relu(tf.tensor1d([1, 2])).dataSync()],
    ['cublasSgemm', 1, () => tf.matMul(tf.ones([2, 2]), tf.ones([2, 2]))],
    ['cublasSgemmStridedBatched', 1, () => tf.matMul(tf.ones([3, 2, 2]), tf.ones([3, 2, 2]))],
    ['cublasGemmEx', 1, () => inBf16(() => tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])))],
    [
      'cublasGemmStridedBatchedEx',
      1,
      () => inBf16(() => tf.matMul(tf.ones([3, 2, 2]), tf.ones([3, 2, 2]))),
    ],
  ] as const) {
    await start({ FAKE_CUDA_FAIL: `${call}:${count}` })
    const error = call.startsWith('cublas') ? 'cublasStatus_t 700' : 'CUDA_ERROR_ILLEGAL_ADDRESS'
    t.throws(() => tf.tidy(() => void work()), {
      code: 'BACKEND',
      message: new RegExp(`${call}.* failed with ${error} \\(819\\d.* MiB of 8192.0 MiB free\\)`),
      fields: { status: 700 },
    })
  }
  for (const call of ['cuInit', 'cuDevicePrimaryCtxRetain', 'cublasCreate'])
    await t.rejects(start({ FAKE_CUDA_FAIL: `${call}:1` }), {
      message: new RegExp(`${call} failed`),
    })
})

t.test('a kernel that does not compile is an error with the log of the compiler', async t => {
  await start({ FAKE_CUDA_FAIL: 'nvrtcCompileProgram:1', XDG_CACHE_HOME: join(fake.folder, 'new') })
  t.throws(() => tf.tidy(() => void tf.relu([1])), {
    code: 'BACKEND',
    message: /nvrtcCompileProgram\(\w+.cu\) failed with NVRTC_ERROR_COMPILATION.*error/s,
  })
  process.env.XDG_CACHE_HOME = cache
})

t.test('libraries: missing, of another make, or where the variable says', async t => {
  const empty = join(fake.folder, 'empty')
  mkdirSync(empty)
  t.match(lane({ SADDLE_CUDA_LIBRARIES: empty }), {
    code: 'BACKEND',
    // The driver's library is looked for in the system's folders, too.
    message: /no (driver library of an NVIDIA GPU|cuBLAS).*empty/,
  })
  const [products, ordered] = [
    buildFake('-DWITHOUT_PRODUCTS'),
    buildFake('-DWITHOUT_ORDERED_ALLOCATION'),
  ]
  t.teardown(() => {
    products.remove()
    ordered.remove()
  })
  t.match(lane({ SADDLE_CUDA_LIBRARIES: products.folder }), {
    code: 'BACKEND',
    message: /has no function cublasSgemm_v2/,
  })
  const [old, now] = [ordered, fake].map(({ folder }) => lane({ SADDLE_CUDA_LIBRARIES: folder }))
  t.same(old.numbers, now.numbers, 'a driver from before CUDA 11.2')
  t.equal(now.numbers.length, 100)
})

t.test('programs: machine code, PTX for newer devices, an error for older ones', async t => {
  const compiled = (capability: string) => {
    rmSync(fake.log, { force: true })
    const env = { XDG_CACHE_HOME: join(fake.folder, `cc${capability}`) }
    const { numbers, message } = lane({ ...env, FAKE_CUDA_CAPABILITY: capability })
    return { numbers, message, how: logged().filter(line => line.startsWith('compiled')) }
  }
  const [exact, newer, older] = [compiled('80'), compiled('120'), compiled('61')]
  t.ok(exact.how.every(line => line === 'compiled for sm_80') && exact.how.length > 0)
  t.ok(newer.how.every(line => line === 'compiled for compute_90') && newer.how.length > 0)
  t.same(newer.numbers, exact.numbers)
  t.match(older.message, /compiles for compute capability 7 and later; the device has 6.1/)
})

t.test('programs are compiled once a machine; a damaged one is compiled again', async t => {
  const home = join(fake.folder, 'once')
  const compiled = () => {
    rmSync(fake.log, { force: true })
    const { numbers } = lane({ XDG_CACHE_HOME: home })
    return { numbers, count: logged().filter(line => line.startsWith('compiled')).length }
  }
  const first = compiled()
  t.ok(first.count > 0)
  t.same(compiled(), { ...first, count: 0 })
  const folder = join(home, 'saddle', 'cuda')
  const files = readdirSync(folder)
  t.equal(files.length, first.count)
  writeFileSync(join(folder, files[0]!), 'not a program')
  t.same(compiled(), { ...first, count: 1 })
  t.same(compiled(), { ...first, count: 0 })
  writeFileSync(join(fake.folder, 'file'), '')
  const nowhere = lane({ XDG_CACHE_HOME: join(fake.folder, 'file') })
  t.same(nowhere.numbers, first.numbers, 'a folder that cannot be made costs time only')
})

t.test('a precision is refused where there is none', async t => {
  await start({ FAKE_CUDA_CAPABILITY: '75' })
  t.same(currentBackend().devices?.()[0]?.precisions, ['float32'])
  for (const precision of ['tf32', 'bf16'] as const)
    t.throws(() => withPrecision(precision, () => 1), {
      code: 'CONFIG',
      message: /compute capability 8.0 or more, got Fake GPU A \(cuda:0\) of 7.5/,
    })
  t.equal(
    withPrecision('float32', () => 1),
    1,
  )
  await useBackend('cpu')
  t.throws(() => withPrecision('bf16', () => 1), { code: 'CONFIG', message: /got cpu/ })
  t.equal(
    withPrecision('float32', () => 1),
    1,
  )
})

t.test('tf32 rounds the operands of products, for as long as it is asked for', async t => {
  await start()
  const product = () =>
    tf.tidy(() => tf.matMul(tf.fill([1, 1], 1 + 2 ** -12), tf.ones([1, 1])).dataSync()[0])
  t.equal(product(), 1 + 2 ** -12)
  t.equal(withPrecision('tf32', product), 1)
  t.throws(() => withPrecision('tf32', failing), { message: 'failed inside' })
  t.equal(product(), 1 + 2 ** -12)
})

const inBf16 = <T>(work: () => T) => withPrecision('bf16', work)

function failing(): never {
  throw new Error('failed inside')
}
