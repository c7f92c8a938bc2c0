import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type ConfigInput,
  devices,
  loadNetwork,
  readMetrics,
  resume,
  type TrainEvent,
  train,
} from '@saddle/distributed'
import t from 'tap'
import { launchers, linesOf, runRanks } from '../fixtures/launchers.js'
import { metrics } from '../fixtures/lines.js'

const missing = (await devices()).find(({ backend }) => backend === 'blas')!.reason ?? false

/** 3 classes, two trained layers, mini-batches of 11 of 30 examples in shards of 4: the last of each is short. */
const base: ConfigInput = {
  name: 'recipes',
  seed: 12,
  data: {
    source: { kind: 'clusters', dimension: 8, clusters: 3, separation: 0.7, spread: 0.1 },
    labels: 'classes',
    count: 30,
    testCount: 9,
    sphere: { kind: 'normalise' },
  },
  network: { family: 'deep', width: 48, depth: 2, init: 'subtract' },
  loss: 'cross-entropy',
  perturbation: { kind: 'cap', radius: 0.1 },
  descent: { steps: 8, stepSize: 0.05, radius: 2, batch: 11 },
  evaluation: { attack: { kind: 'fgsm' } },
  checkpoints: { every: 3 },
  compute: { backend: 'wasm', shard: 4 },
}

const free = { kind: 'free', replays: 3 } as const
const RECIPES: Record<string, ConfigInput['attack'] & object> = {
  'fgsm-rs': { kind: 'r-fgsm' },
  trades: { kind: 'trades', beta: 2, steps: 2 },
  'fosc-dynamic': { kind: 'fosc-dynamic', steps: 4, criterion: 0.1 },
  free,
  yopo: { kind: 'yopo', passes: 3, inner: 2 },
  schedule: {
    kind: 'schedule',
    phases: [
      { from: 0, attack: { kind: 'fgsm' } },
      { from: 2, attack: { ...free, replays: 2 } },
      { from: 6, attack: { kind: 'trades', steps: 2 } },
    ],
  },
}

/** Aborts once a shard of this step is done. */
function stopIn(step: number) {
  const controller = new AbortController()
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'shard' && event.step === step) controller.abort()
  }
  return { signal: controller.signal, onEvent }
}

const forms = ['dense', 'factors'] as const
for (const [index, [name, attack]] of Object.entries(RECIPES).entries())
  t.test(`${name}: 1, 2 and 4 workers, and an interrupted run, give the same bits`, async t => {
    const folder = t.testdir()
    // Windows of 4 examples at most, at the most points that any of these has.
    const compute = {
      ...base.compute,
      gradients: forms[index % 2]!,
      ...(index < 3 ? { window: 4 * 96 * 12 } : {}),
    }
    const config = { ...base, attack, compute }
    const one = await train(config, { out: `${folder}/1`, workers: 1 })
    for (const workers of [2, 4]) {
      const { weights, cost } = await train(config, { out: `${folder}/${workers}`, workers })
      t.equal(weights, one.weights, `${workers} workers`)
      t.same(cost, one.cost)
      t.same(metrics(`${folder}/${workers}`), metrics(`${folder}/1`))
    }
    const out = `${folder}/stopped`
    const stopped = await train(config, { out, workers: 2, ...stopIn(4) })
    t.equal(stopped.status, 'stopped')
    t.ok(stopped.stepsDone >= 4 && stopped.stepsDone < 8)
    const resumed = await resume(out, { workers: 3 })
    t.equal(resumed.weights, one.weights, 'resumed')
    t.same(resumed.cost, one.cost)
    t.same(metrics(out), metrics(`${folder}/1`))
    const records = readMetrics(out)
    const total = records.reduce((sum, { cost }) => sum + cost.passes, 0)
    t.equal(one.cost.passes, total, 'the summary adds up the steps')
    t.ok(records.every(({ loss }) => loss > 0 && loss < 3))
  })

t.test('recipes give the same bits on blas with 1 and 3 workers', { skip: missing }, async t => {
  const folder = t.testdir()
  for (const name of ['trades', 'free', 'yopo', 'fosc-dynamic']) {
    const compute = { ...base.compute, backend: 'blas' }
    const config = { ...base, attack: RECIPES[name]!, compute }
    const [one, three] = [
      await train(config, { out: `${folder}/${name}-1`, workers: 1 }),
      await train(config, { out: `${folder}/${name}-3`, workers: 3 }),
    ]
    t.equal(three.weights, one.weights, name)
  }
})

t.test('what is equal by definition is equal to the bit', async t => {
  const folder = t.testdir()
  const weights = async (attack: ConfigInput['attack'] & object, changes: object = {}) => {
    const out = `${folder}/${Math.abs(hash(JSON.stringify([attack, changes])))}`
    return (await train({ ...base, ...changes, attack }, { out, workers: 2 })).weights
  }
  const pgd = { kind: 'pgd', keepBest: false } as const
  t.equal(
    await weights({ kind: 'r-fgsm' }),
    await weights({ ...pgd, steps: 1, stepSize: 1.25 }),
    'FGSM-RS is PGD of one long step from a random start',
  )
  t.equal(
    await weights({ kind: 'fosc-dynamic', steps: 3, criterion: 0 }),
    await weights({ ...pgd, steps: 3 }),
    'FOSC-dynamic with criterion 0 is PGD',
  )
  const dynamic = { kind: 'fosc-dynamic', steps: 3, criterion: 0.2 } as const
  t.not(await weights(dynamic), await weights({ ...pgd, steps: 3 }), 'and with another is not')
  for (const attack of [dynamic, free] as const)
    t.equal(
      await weights({ kind: 'schedule', phases: [{ from: 0, attack }] }),
      await weights(attack),
      `a schedule of ${attack.kind} alone is it`,
    )
  t.equal(
    await weights({
      kind: 'schedule',
      phases: [
        { from: 0, attack: { ...pgd, steps: 2 } },
        { from: 5, attack: { ...pgd, steps: 2 } },
      ],
    }),
    await weights({ ...pgd, steps: 2 }),
    'a switch to the same attack is none',
  )
  t.equal(
    await weights({ kind: 'free', replays: 1, stepSize: 1e-30 }, { seed: 3 }),
    await weights({ kind: 'identity' }, { seed: 3, name: 'twin' }),
    'free of one replay and no step is natural training',
  )
})

function hash(text: string): number {
  let h = 0
  for (const c of text) h = (Math.imul(31, h) + c.charCodeAt(0)) | 0
  return h
}

t.test('the perturbation that free carries is in the checkpoint, and is missed there', async t => {
  const out = `${t.testdir()}/run`
  const config = { ...base, attack: free, checkpoints: { every: 3, keep: 5 } }
  await train(config, { out, workers: 2 })
  const header = readFileSync(`${out}/checkpoints/step-000008/displacement.safetensors`)
    .subarray(8)
    .toString('latin1')
  t.match(header, /"carried\.perturbation":\{"dtype":"F32","shape":\[11,8\]/)
  const { step } = await loadNetwork(out)
  t.equal(step, 8, 'a network is read without it')
})

const hidden: ConfigInput = {
  ...base,
  network: { family: 'deep', width: 48, init: 'subtract' },
  descent: { ...base.descent, steps: 5 },
  compute: { backend: 'cpu', shard: 4, split: 'neurons' },
}
for (const name of ['trades', 'fosc-dynamic'])
  t.test(`${name} with the neurons split: the same bits for 1 and 2 workers`, async t => {
    const folder = t.testdir()
    const config = { ...hidden, attack: RECIPES[name]! }
    const one = await train(config, { out: `${folder}/1`, workers: 1 })
    const two = await train(config, { out: `${folder}/2`, workers: 2 })
    t.equal(two.weights, one.weights)
    t.same(two.cost, one.cost)
    const examples = { ...config, compute: { ...config.compute, split: 'examples' as const } }
    const other = await train(examples, { out: `${folder}/examples`, workers: 2 })
    t.same(other.cost, one.cost, 'and what it costs as with examples split')
    const [a, b] = [one, other].map(({ train: figures }) => figures!.cleanLoss)
    // Losses of order 1 in float32, summed in other orders over 5 steps.
    t.ok(Math.abs(a! - b!) < 1e-4, `${a}, ${b}`)
  })

t.test('a recipe that needs all neurons is not split by neurons where that is left to us', async t => {
  const out = `${t.testdir()}/run`
  let split = ''
  const config = { ...hidden, attack: free, compute: { backend: 'cpu', shard: 4 } }
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'start') {
      split = event.split.by
      t.same(event.cost, { perStep: 1, total: 5 })
    }
  }
  await train(config, { out, workers: 2, onEvent })
  t.equal(split, 'examples')
})

t.test(
  '2 ranks give the bits, figures and metrics of one process',
  { skip: launchers.openmpi.missing },
  async t => {
    const folder = t.testdir()
    const program = fileURLToPath(new URL('../fixtures/ranks.mjs', import.meta.url))
    const names = ['trades', 'fosc-dynamic', 'free', 'yopo', 'schedule']
    const jobs = names.map(name => ({
      dir: `${folder}/ranks-${name}`,
      config: { ...base, attack: RECIPES[name]! },
      options: { workers: 1 },
    }))
    const ended = await runRanks(launchers.openmpi, 2, [program, JSON.stringify(jobs)])
    t.equal(ended.code, 0, ended.stderr)
    const reports = linesOf<{ job: number; weights?: string }>(ended.stdout)
    for (const [job, name] of names.entries()) {
      const out = `${folder}/alone-${name}`
      const { weights } = await train(jobs[job]!.config, { out, workers: 1 })
      const found = reports.filter(report => report.job === job)
      t.equal(found.length, 2)
      for (const report of found) t.equal(report.weights, weights, name)
      t.same(metrics(`${folder}/ranks-${name}`), metrics(out), name)
    }
  },
)
