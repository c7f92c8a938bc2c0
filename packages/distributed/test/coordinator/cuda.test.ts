import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type ConfigInput, type RunSummary, train } from '@saddle/distributed'
import t from 'tap'
import { closeCuda } from '../../../core/dist/tensors/cuda/backend.js'
import { buildFake, noCompiler } from '../../../core/test/tensors/cuda/fake/build.js'
import { classes, deep } from '../fixtures/configs.js'

/** Whole runs on `cuda`, over the fake driver. */
if (noCompiler !== false) {
  t.pass('no run on cuda is tested here', { skip: noCompiler })
  process.exit(0)
}

const fake = buildFake()
Object.assign(process.env, {
  SADDLE_CUDA_LIBRARIES: fake.folder,
  XDG_CACHE_HOME: fake.folder,
  FAKE_CUDA_LOG: fake.log,
})
t.teardown(() => fake.remove())

const faulty = new URL('../fixtures/faulty.worker.mjs', import.meta.url)
const on = (config: ConfigInput, backend: string): ConfigInput => ({
  ...config,
  compute: { ...config.compute, backend },
})

for (const [name, config] of Object.entries({ deep, classes }))
  t.test(`${name}: the same weights for 1 and 3 workers, and the figures of the cpu`, async t => {
    const folder = t.testdir()
    const runs: Record<string, RunSummary> = {}
    for (const [run, backend, workers] of [
      ['one', 'cuda', 1],
      ['three', 'cuda', 3],
      ['cpu', 'cpu', 2],
    ] as const)
      runs[run] = await train(on(config, backend), { out: `${folder}/${run}`, workers })
    const { one, three, cpu } = runs
    t.equal(three!.weights, one!.weights)
    t.same([three!.train, three!.test], [one!.train, one!.test])
    for (const loss of ['cleanLoss', 'robustLoss'] as const) {
      const [got, wanted] = [one!.train![loss], cpu!.train![loss]]
      // Ten steps of training in float32, sums in another order.
      t.ok(Math.abs(got - wanted) < 1e-4 * (1 + wanted), `${loss}: ${got}, ${wanted} on the cpu`)
    }
  })

t.test('workers that throw or exit in mid-task change no bit', async t => {
  const folder = t.testdir()
  const clean = await train(on(deep, 'cuda'), { out: `${folder}/clean`, workers: 2 })
  const faults = `${folder}/faults`
  mkdirSync(faults)
  for (const fault of ['throw-1', 'exit-3', 'settle']) writeFileSync(`${faults}/${fault}`, '')
  process.env.SADDLE_TEST_FAULTS = faults
  const again = await train(on(deep, 'cuda'), {
    out: `${folder}/again`,
    workers: 2,
    workerFile: faulty,
  })
  t.same(readdirSync(faults), [], 'every fault happened')
  t.equal(again.weights, clean.weights)
  closeCuda()
  t.match(
    readFileSync(fake.log, 'utf8').trim().split('\n').at(-1),
    /device 0 ended: 0 allocations, 0 streams, 0 modules, 0 handles left/,
    'workers that died, or were ended with their pool, hold nothing',
  )
})
