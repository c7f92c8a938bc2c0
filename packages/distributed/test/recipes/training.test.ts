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
  descent: { steps: 7, stepSize: 0.05, radius: 2, batch: 11 },
  evaluation: { attack: { kind: 'identity' } },
  checkpoints: { every: 3, keep: 1 },
  compute: { backend: 'wasm', shard: 4 },
}

const free = { kind: 'free', replays: 3 } as const
const RECIPES: Record<string, ConfigInput['attack'] & object> = {
  trades: { kind: 'trades', beta: 2, steps: 2 },
  'fosc-dynamic': { kind: 'fosc-dynamic', steps: 4, criterion: 0.1 },
  free,
  yopo: { kind: 'yopo', passes: 3, inner: 2 },
  schedule: {
    kind: 'schedule',
    phases: [
      { from: 0, attack: { kind: 'fgsm' } },
      { from: 2, attack: { ...free, replays: 2 } },
      { from: 5, attack: { kind: 'trades', steps: 2 } },
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

/** Weights of one worker, by recipe. */
const alone: Record<string, string> = {}
const folder = t.testdir()

/** Recipes with other paths of their gradients: dense or as factors, at once or in windows of few examples. */
function configOf(name: string): ConfigInput {
  const gradients = name === 'free' || name === 'schedule' ? 'factors' : 'dense'
  const window = name === 'yopo' ? 1 << 28 : 4 * 96 * 12
  return { ...base, attack: RECIPES[name]!, compute: { ...base.compute, gradients, window } }
}

for (const name of Object.keys(RECIPES))
  t.test(
    `${name}: 1 worker, and 2 that are stopped and 4 that go on, give the same bits`,
    async t => {
      const config = configOf(name)
      const dir = `${folder}/${name}`
      const one = await train(config, { out: dir, workers: 1 })
      alone[name] = one.weights
      const out = `${folder}/${name}-stopped`
      const stopped = await train(config, { out, workers: 2, ...stopIn(3) })
      t.equal(stopped.status, 'stopped')
      t.ok(stopped.stepsDone >= 3 && stopped.stepsDone < 7)
      const resumed = await resume(out, { workers: 4 })
      t.equal(resumed.weights, one.weights)
      t.same(resumed.cost, one.cost)
      t.same(metrics(out), metrics(dir))
      const records = readMetrics(dir)
      const total = records.reduce((sum, { cost }) => sum + cost.passes, 0)
      t.equal(one.cost.passes, total, 'the summary adds up the steps')
      t.ok(records.every(({ loss }) => loss > 0 && loss < 3))
    },
  )

t.test(
  'free and YOPO give the same bits on blas with 1 and 3 workers',
  { skip: missing },
  async t => {
    const { steps: _, ...descent } = base.descent
    const runs = { ...base, descent: { ...descent, steps: 3 } }
    for (const name of ['free', 'yopo']) {
      const config = {
        ...runs,
        attack: RECIPES[name]!,
        compute: { ...base.compute, backend: 'blas' },
      }
      const [one, three] = [
        await train(config, { out: `${folder}/${name}-1`, workers: 1 }),
        await train(config, { out: `${folder}/${name}-3`, workers: 3 }),
      ]
      t.equal(three.weights, one.weights, name)
    }
  },
)

t.test('what is equal by definition is equal to the bit', async t => {
  let runs = 0
  const weights = async (attack: ConfigInput['attack'] & object, like = base) => {
    const config = { ...like, attack, descent: { ...base.descent, steps: 4 } }
    return (await train(config, { out: `${folder}/equal-${runs++}`, workers: 1 })).weights
  }
  const pgd = { kind: 'pgd', keepBest: false } as const
  t.equal(
    await weights({ kind: 'r-fgsm' }),
    await weights({ ...pgd, steps: 1, stepSize: 1.25 }),
    'FGSM-RS is PGD of one long step from a random start',
  )
  const three = await weights({ ...pgd, steps: 3 })
  const dynamic = { kind: 'fosc-dynamic', steps: 3 } as const
  t.equal(await weights({ ...dynamic, criterion: 0 }), three, 'FOSC-dynamic with c = 0 is PGD')
  t.not(await weights({ ...dynamic, criterion: 0.2 }), three, 'and with another is not')
  const twice = [0, 2].map(from => ({ from, attack: { ...pgd, steps: 3 } }))
  t.equal(await weights({ kind: 'schedule', phases: twice }), three, 'a switch to the same is none')
  const schedule = { kind: 'schedule', phases: [{ from: 0, attack: RECIPES.free! }] } as const
  const only = { ...configOf('free'), attack: schedule as ConfigInput['attack'] & object }
  const { weights: scheduled } = await train(only, { out: `${folder}/only`, workers: 1 })
  t.equal(scheduled, alone.free, 'a schedule of one recipe is it')
})

t.test('the perturbation that free carries is in the checkpoint', async t => {
  const header = readFileSync(
    `${folder}/free/checkpoints/step-000007/displacement.safetensors`,
  ).toString('latin1')
  t.match(header, /"carried\.perturbation":\{"dtype":"F32","shape":\[11,8\]/)
  const { step } = await loadNetwork(`${folder}/free`)
  t.equal(step, 7, 'a network is read without it')
})

const hidden: ConfigInput = {
  ...base,
  network: { family: 'deep', width: 48, init: 'subtract' },
  descent: { ...base.descent, steps: 3 },
  compute: { backend: 'cpu', shard: 4, split: 'neurons' },
}
for (const name of ['trades', 'fosc-dynamic'])
  t.test(`${name} with the neurons split: the same bits for 1 and 2 workers`, async t => {
    const config = { ...hidden, attack: RECIPES[name]! }
    const [one, two] = [
      await train(config, { out: `${folder}/${name}-team-1`, workers: 1 }),
      await train(config, { out: `${folder}/${name}-team-2`, workers: 2 }),
    ]
    t.equal(two.weights, one.weights)
    t.same(two.cost, one.cost)
    const examples = { ...config, compute: { ...config.compute, split: 'examples' as const } }
    const other = await train(examples, { out: `${folder}/${name}-examples`, workers: 1 })
    t.same(other.cost, one.cost, 'it costs what it does with examples split')
    const [a, b] = [one, other].map(({ train: figures }) => figures!.cleanLoss)
    // Losses of order 1 in float32, summed in other orders over 3 steps.
    t.ok(Math.abs(a! - b!) < 1e-4, `${a}, ${b}`)
  })

t.test(
  'a recipe that needs all neurons is not split by neurons where that is left to us',
  async t => {
    const out = `${folder}/auto`
    let split = ''
    const config = { ...hidden, attack: free, compute: { backend: 'cpu', shard: 4 } }
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'start') {
        split = event.split.by
        t.same(event.cost, { perStep: 1, total: 3 })
      }
    }
    await train(config, { out, workers: 1, onEvent })
    t.equal(split, 'examples')
  },
)

t.test(
  '2 ranks give the bits, figures and metrics of one process',
  { skip: launchers.openmpi.missing },
  async t => {
    const program = fileURLToPath(new URL('../fixtures/ranks.mjs', import.meta.url))
    const names = ['trades', 'free', 'yopo']
    const jobs = names.map(name => ({
      dir: `${folder}/ranks-${name}`,
      config: configOf(name),
      options: { workers: 1 },
    }))
    const ended = await runRanks(launchers.openmpi, 2, [program, JSON.stringify(jobs)])
    t.equal(ended.code, 0, ended.stderr)
    const reports = linesOf<{ job: number; weights?: string }>(ended.stdout)
    for (const [job, name] of names.entries()) {
      const found = reports.filter(report => report.job === job)
      t.equal(found.length, 2)
      for (const report of found) t.equal(report.weights, alone[name], name)
      t.same(metrics(`${folder}/ranks-${name}`), metrics(`${folder}/${name}`), name)
    }
  },
)
