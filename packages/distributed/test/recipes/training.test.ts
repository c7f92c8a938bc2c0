import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type ConfigInput,
  devices,
  loadNetwork,
  type RunSummary,
  readMetrics,
  resume,
  type TrainEvent,
  train,
} from '@saddle/distributed'
import t, { type Test } from 'tap'
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
      { from: 0, attack: { kind: 'fosc-dynamic', steps: 3, criterion: 0.1 } },
      { from: 2, attack: { ...free, replays: 2 } },
      { from: 4, attack: { kind: 'yopo', passes: 2, inner: 2 } },
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

/** That two runs are the same but for their seconds. */
function same(t: Test, name: string, out: string, { weights, cost }: RunSummary) {
  t.equal(weights, alone[name])
  t.same(metrics(out), metrics(`${folder}/${name}`))
  const records = readMetrics(out)
  const total = records.reduce((sum, record) => sum + record.cost.passes, 0)
  t.equal(cost.passes, total, 'the summary adds up the steps')
  t.ok(records.every(({ loss }) => loss > 0 && loss < 3))
}

for (const name of Object.keys(RECIPES))
  t.test(`${name}: 1 worker and 4 give the same bits`, async t => {
    const config = configOf(name)
    alone[name] = (await train(config, { out: `${folder}/${name}`, workers: 1 })).weights
    const out = `${folder}/${name}-4`
    same(t, name, out, await train(config, { out, workers: 4 }))
  })

for (const [name, step] of [
  ['free', 4],
  ['schedule', 3],
] as const)
  t.test(`${name}, stopped in step ${step} and gone on with, ends at the same bits`, async t => {
    const out = `${folder}/${name}-stopped`
    const stopped = await train(configOf(name), { out, workers: 2, ...stopIn(step) })
    t.equal(stopped.status, 'stopped')
    t.ok(stopped.stepsDone >= step && stopped.stepsDone < 7)
    same(t, name, out, await resume(out, { workers: 1 }))
  })

t.test('recipes give the same bits on blas with 1 and 2 workers', { skip: missing }, async t => {
  const config = { ...configOf('schedule'), compute: { ...base.compute, backend: 'blas' } }
  const [one, two] = [
    await train(config, { out: `${folder}/blas-1`, workers: 1 }),
    await train(config, { out: `${folder}/blas-2`, workers: 2 }),
  ]
  t.equal(two.weights, one.weights)
})

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
  descent: { ...base.descent, steps: 4 },
  compute: { backend: 'cpu', shard: 4, split: 'neurons' },
}
t.test('with the neurons split: the same bits for 1 and 2 workers, the same cost', async t => {
  const config: ConfigInput = {
    ...hidden,
    attack: {
      kind: 'schedule',
      phases: [
        { from: 0, attack: { kind: 'trades', beta: 2, steps: 2 } },
        { from: 2, attack: { kind: 'fosc-dynamic', steps: 4, criterion: 0.1 } },
      ],
    },
  }
  const [one, two] = [
    await train(config, { out: `${folder}/team-1`, workers: 1 }),
    await train(config, { out: `${folder}/team-2`, workers: 2 }),
  ]
  t.equal(two.weights, one.weights)
  t.same(two.cost, one.cost)
  const examples = { ...config, compute: { ...config.compute, split: 'examples' as const } }
  const other = await train(examples, { out: `${folder}/team-none`, workers: 1 })
  t.same(other.cost, one.cost, 'it costs what it does with examples split')
  const [a, b] = [one, other].map(({ train: figures }) => figures!.cleanLoss)
  // Losses of order 1 in float32, summed in other orders over 4 steps.
  t.ok(Math.abs(a! - b!) < 1e-4, `${a}, ${b}`)
})

t.test(
  'a recipe that needs all neurons is not split by neurons where that is left to us',
  async t => {
    const out = `${folder}/auto`
    let split = ''
    const descent = { ...hidden.descent, steps: 1 }
    const config = { ...hidden, descent, attack: free, compute: { backend: 'cpu', shard: 4 } }
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'start') {
        split = event.split.by
        t.same(event.cost, { perStep: 1, total: 1 })
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
    const dir = `${folder}/ranks`
    const job = { dir, config: configOf('schedule'), options: { workers: 1 } }
    const ended = await runRanks(launchers.openmpi, 2, [program, JSON.stringify([job])])
    t.equal(ended.code, 0, ended.stderr)
    const reports = linesOf<{ weights?: string }>(ended.stdout)
    t.equal(reports.length, 2)
    for (const { weights } of reports) t.equal(weights, alone.schedule)
    t.same(metrics(dir), metrics(`${folder}/schedule`))
  },
)
