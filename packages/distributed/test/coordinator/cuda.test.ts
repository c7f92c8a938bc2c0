import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Precision } from '@saddle/core'
import { type ConfigInput, type RunSummary, resume, train } from '@saddle/distributed'
import t from 'tap'
import { closeCuda } from '../../../core/dist/tensors/cuda/backend.js'
import { buildFake, noCompiler } from '../../../core/test/tensors/cuda/fake/build.js'
import { type Counts, counterOf, countsOf } from '../../../core/test/tensors/cuda/fake/counts.js'
import { classes, deep } from '../fixtures/configs.js'
import { launchers, runRanks } from '../fixtures/launchers.js'
import { starts } from '../fixtures/lines.js'

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
  FAKE_CUDA_NAME: 'Fake GPU',
})
const counts = counterOf(fake)
t.teardown(() => fake.remove())

/** What was left on all devices when the last context of one ended. */
const lastLeft = () => readFileSync(fake.log, 'utf8').trim().split('\n').at(-1)
const NOTHING = /ended: 0 allocations, 0 streams, 0 modules, 0 handles left/

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

t.test('a precision is that of the search, and of nothing else', async t => {
  const folder = t.testdir()
  const run = async (name: string, precision: Precision, attack = deep.attack) => {
    const config = on({ ...deep, attack, descent: { ...deep.descent, steps: 3 } }, 'cuda')
    const compute = { ...config.compute, precision }
    let summary: RunSummary | undefined
    const asked = await countsOf(counts, async () => {
      summary = await train({ ...config, compute }, { out: `${folder}/${name}`, workers: 1 })
    })
    return { ...asked, ...summary! }
  }
  const identity = { kind: 'identity' } as const
  const whole = await run('whole', 'float32')
  const still = await run('still', 'float32', identity)
  for (const precision of ['tf32', 'bf16'] as const) {
    const got = await run(precision, precision)
    t.equal(
      got[precision],
      whole.float32 - still.float32,
      `${precision}: every product of the search`,
    )
    t.equal(got.float32, still.float32, 'and no other')
    t.not(got.weights, whole.weights)
    t.equal(got.precision, precision)
    const log = readFileSync(`${folder}/${precision}/log.jsonl`, 'utf8')
    t.match(log, new RegExp(`"precision":"${precision}"`))
    const gap = Math.abs(got.train!.robustLoss - whole.train!.robustLoss)
    t.ok(gap < 1e-2 * whole.train!.robustLoss, `${precision}: robust loss ${gap} apart`)
    const searchless = await run(`${precision}-still`, precision, identity)
    t.equal(searchless.weights, still.weights, 'the gradient is float32 to the last bit')
  }
})

t.test('a precision that a device lacks is refused before anything is written', async t => {
  const folder = t.testdir()
  const refused = (compute: ConfigInput['compute'], message: RegExp) =>
    t.rejects(
      train({ ...deep, compute: { ...deep.compute, ...compute } }, { out: `${folder}/run` }),
      { code: 'CONFIG', message },
    )
  await refused(
    { backend: 'cpu', precision: 'tf32' },
    /tf32 needs .* computes on cpu, which has float32/,
  )
  await refused({ devices: ['cuda:0', 'wasm'], precision: 'bf16' }, /computes on wasm/)
  process.env.FAKE_CUDA_CAPABILITY = '75'
  t.teardown(() => delete process.env.FAKE_CUDA_CAPABILITY)
  closeCuda()
  await refused({ backend: 'cuda', precision: 'tf32' }, /computes on cuda:0, which has float32/)
  await refused({ devices: ['process:cuda:1'], precision: 'tf32' }, /computes on process:cuda:1/)
  t.notOk(existsSync(`${folder}/run`))
})

t.test('a gradient step of an attack is a few launches, and waits for nothing', async t => {
  const folder = t.testdir()
  const asked = (name: string, config: ConfigInput, steps: number) => {
    const descent = { ...config.descent, steps: 1, batch: 11 }
    const compute = { ...config.compute, backend: 'cuda', shard: 16 }
    const evaluation = { attack: { kind: 'identity' } } as const
    const out = `${folder}/${name}-${steps}`
    return countsOf(counts, () =>
      train(
        { ...config, attack: { kind: 'pgd', steps }, descent, compute, evaluation },
        { out, workers: 1 },
      ),
    )
  }
  for (const [name, config, most] of [
    ['deep', deep, 38],
    ['classes', classes, 52],
  ] as const) {
    const [few, many] = [await asked(name, config, 2), await asked(name, config, 4)]
    const each = (what: keyof Counts) => (many[what] - few[what]) / 2
    t.comment(`${name}: ${each('launches')} launches and ${each('float32')} products a step`)
    t.ok(each('launches') <= most, `${name}: ${each('launches')} launches`)
    t.same([each('uploads'), each('downloads'), each('waits')], [0, 0, 0])
  }
})

t.test('a full device names the shard that would fit', async t => {
  const folder = t.testdir()
  const run = (shard: number) =>
    train(
      {
        ...deep,
        network: { family: 'two-layer', width: 2048 },
        attack: { kind: 'pgd', steps: 1 },
        evaluation: { attack: { kind: 'identity' } },
        descent: { steps: 1 },
        compute: { backend: 'cuda', update: 'host', shard },
      },
      { out: `${folder}/${shard}`, workers: 1 },
    )
  process.env.FAKE_CUDA_MEMORY = String(380 << 10)
  t.teardown(() => delete process.env.FAKE_CUDA_MEMORY)
  const shards = [37]
  for (let tries = 0; tries < 4; tries++) {
    const last = shards.at(-1)!
    const error = await run(last).then(
      () => null,
      error => error,
    )
    if (error === null) break
    t.match(error, { code: 'BACKEND', message: /CUDA_ERROR_OUT_OF_MEMORY .* matrices that stay/ })
    const { shard, asked, inUse, staying } = error.fields
    t.match(error.message, `These were ${last} examples: take compute.shard: ${shard} or less`)
    t.ok(shard >= 4 && shard < last && asked > 0 && staying < inUse, `${shard}`)
    shards.push(shard)
  }
  t.comment(`shards: ${shards}`)
  t.ok(shards.length >= 2 && shards.length <= 4, 'the bound is close to what fits')
  process.env.FAKE_CUDA_MEMORY = String(70 << 10)
  await t.rejects(run(1), { message: /Not one example fits beside the matrices/ })
})

/** Its m × m layers travel as factors of 4 examples a step, so that the log has more slots than steps pass. */
const wide: ConfigInput = {
  ...deep,
  network: { family: 'deep', width: 128, depth: 2, init: 'mirrored' },
  attack: { kind: 'identity' },
  evaluation: { attack: { kind: 'identity' } },
  descent: { ...deep.descent, steps: 9, batch: 4 },
  checkpoints: { every: 100 },
}

t.test('weights never travel where devices update them', async t => {
  const folder = t.testdir()
  const sent = async (update: 'device' | 'host', steps: number) => {
    const descent = { ...wide.descent, steps }
    const compute = { ...wide.compute, backend: 'cuda', update }
    const { uploadedBytes } = await countsOf(counts, () =>
      train({ ...wide, descent, compute }, { out: `${folder}/${update}-${steps}`, workers: 1 }),
    )
    return uploadedBytes
  }
  // 128 × 128 in two copies; batches of 4 make 16 steps to a log.
  const weights = 2 * 4 * 128 * 128
  const [device, host] = [
    (await sent('device', 7)) - (await sent('device', 5)),
    (await sent('host', 7)) - (await sent('host', 5)),
  ]
  t.comment(`bytes sent a step: ${device / 2}, and ${host / 2} where the host updates`)
  t.ok(device / 2 < weights / 4, `${device / 2}`)
  t.ok(host / 2 > weights, `${host / 2}`)
})

t.test('a device that lost its weights makes them again from the log', async t => {
  const folder = t.testdir()
  const run = (name: string, workers: number, faults: readonly string[] = []) => {
    const dir = `${folder}/${name}-faults`
    mkdirSync(dir)
    for (const fault of faults) writeFileSync(`${dir}/${fault}`, '')
    process.env.SADDLE_TEST_FAULTS = dir
    const options = { out: `${folder}/${name}`, workers, workerFile: faulty }
    return train(on(wide, 'cuda'), options).then(summary => {
      t.same(readdirSync(dir), [], 'every fault happened')
      return summary.weights
    })
  }
  const clean = await run('clean', 1)
  t.equal(await run('alone', 1, ['exit-5', 'propose-on-device', 'fetch']), clean)
  t.equal(await run('two', 2, ['exit-3', 'propose-on-device', 'fetch', 'settle-applying']), clean)
  t.equal(await run('three', 3), clean)
  const devices = ['process:cuda:0', 'cuda:1']
  const compute = { ...wide.compute, devices }
  const mixed = await train({ ...wide, compute }, { out: `${folder}/process` })
  t.equal(mixed.weights, clean, 'a device in a process of its own')
  closeCuda()
})

t.test('a run that goes on from a checkpoint has the same bits', async t => {
  const folder = t.testdir()
  const config = on({ ...wide, checkpoints: { every: 3 } }, 'cuda')
  const whole = await train(config, { out: `${folder}/whole` })
  const stop = new AbortController()
  const half = await train(config, {
    out: `${folder}/half`,
    signal: stop.signal,
    onEvent: event => {
      if (event.kind === 'step' && event.record.step === 4) stop.abort()
    },
  })
  t.equal(half.status, 'stopped')
  t.equal(half.stepsDone, 5)
  t.equal((await resume(`${folder}/half`, { workers: 2 })).weights, whole.weights)
  const metrics = (name: string) =>
    readFileSync(`${folder}/${name}/metrics.jsonl`, 'utf8').replace(/"seconds":[^}]*/g, '')
  t.equal(metrics('half'), metrics('whole'))
})

t.test(
  'two ranks share the cards of their machine, which update weights to the bits of one process',
  { skip: launchers.openmpi.missing },
  async t => {
    const folder = t.testdir()
    const compute = { ...wide.compute, backend: 'cuda', update: 'device' } as const
    const descent = { ...wide.descent, steps: 4 }
    const config = { ...wide, compute, descent, checkpoints: { every: 2 } }
    const alone = await train(config, { out: `${folder}/alone` })
    const dir = `${folder}/ranks`
    const program = fileURLToPath(new URL('../fixtures/ranks.mjs', import.meta.url))
    const jobs = JSON.stringify([{ dir, config }])
    const { code, stdout, stderr } = await runRanks(launchers.openmpi, 2, [program, jobs])
    t.equal(code, 0, stderr)
    t.equal(stdout.split(`"weights":"${alone.weights}"`).length - 1, 2, stdout)
    t.match(
      [0, 1].map(rank => starts(dir, rank)),
      [[{ devices: ['cuda:0'], update: 'device' }], [{ devices: ['cuda:1'], update: 'device' }]],
    )
    t.match(starts(`${folder}/alone`, 0), [{ devices: ['cuda:0', 'cuda:1'] }])
    closeCuda()
  },
)

t.test('unequal devices leave the update to the host', async t => {
  const folder = t.testdir()
  delete process.env.FAKE_CUDA_NAME
  closeCuda()
  t.teardown(() => {
    process.env.FAKE_CUDA_NAME = 'Fake GPU'
    closeCuda()
  })
  const compute = { ...wide.compute, devices: ['cuda:0', 'cuda:1'] }
  const run = (update: 'auto' | 'device' | 'host', out: string) =>
    train({ ...wide, compute: { ...compute, update } }, { out: `${folder}/${out}` })
  const auto = await run('auto', 'auto')
  t.match(readFileSync(`${folder}/auto/config.yaml`, 'utf8'), /update: host/)
  t.equal((await run('host', 'host')).weights, auto.weights)
  closeCuda()
  t.match(
    lastLeft(),
    NOTHING,
    'the main thread, which computes on wasm, gives back what the workers held',
  )
  await t.rejects(run('device', 'device'), {
    code: 'CONFIG',
    message: /equal devices .* on Fake GPU A \(9.0\), Fake GPU B \(9.0\)/,
  })
  await t.rejects(
    train({ ...wide, compute: { ...wide.compute, update: 'device' } }, { out: `${folder}/wasm` }),
    { code: 'CONFIG', message: /one that does not/ },
  )
  t.notOk(existsSync(`${folder}/device`))
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
  t.match(lastLeft(), NOTHING, 'workers that died, or were ended with their pool, hold nothing')
})
