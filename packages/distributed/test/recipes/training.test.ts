import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
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

const faulty = new URL('../fixtures/faulty.worker.mjs', import.meta.url)
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
const alone = { kind: 'schedule' as const, phases: [{ from: 0, attack: free }] }
const schedule = {
  kind: 'schedule' as const,
  phases: [
    { from: 0, attack: { kind: 'fosc-dynamic' as const, steps: 3, criterion: 0.1 } },
    { from: 2, attack: { ...free, replays: 2 } },
    { from: 4, attack: { kind: 'yopo' as const, passes: 2, inner: 2 } },
    { from: 5, attack: { kind: 'trades' as const, steps: 2 } },
  ],
}

/** Factors of 12 points at a time, in windows; and dense gradients, on a backend of arrays where there is one. */
const factors = { ...base.compute, gradients: 'factors', window: 4 * 96 * 12 } as const
const dense = { ...base.compute, gradients: 'dense', backend: missing ? 'wasm' : 'blas' } as const

/** What is trained by one worker, and by four: the same. */
const RUNS: Record<string, readonly [ConfigInput, ConfigInput]> = {
  'free, or a schedule of free alone,': [
    { ...base, attack: free, compute: factors },
    { ...base, attack: alone, compute: factors },
  ],
  'a schedule of all recipes': [
    { ...base, attack: schedule, compute: factors },
    { ...base, attack: schedule, compute: factors },
  ],
  'the same with dense gradients': [
    { ...base, attack: schedule, compute: dense },
    { ...base, attack: schedule, compute: dense },
  ],
}

/** Aborts once a shard of this step is done. */
function stopIn(step: number) {
  const controller = new AbortController()
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'shard' && event.step === step) controller.abort()
  }
  return { signal: controller.signal, onEvent }
}

/** Weights of one worker, by what it trained. */
const weightsOf: Record<string, string> = {}
const folder = t.testdir()

/** That two runs are the same but for their seconds. */
function same(t: Test, name: string, out: string, { weights, cost }: RunSummary) {
  t.equal(weights, weightsOf[name])
  t.same(metrics(out), metrics(`${folder}/${name}`))
  const records = readMetrics(out)
  const total = records.reduce((sum, record) => sum + record.cost.passes, 0)
  t.equal(cost.passes, total, 'the summary adds up the steps')
  t.ok(records.every(({ loss }) => loss > 0 && loss < 3))
}

for (const [name, [config, other]] of Object.entries(RUNS))
  t.test(`${name}: 1 worker and 4 give the same bits`, async t => {
    const { weights } = await train(config, { out: `${folder}/${name}`, workers: 1 })
    weightsOf[name] = weights
    const out = `${folder}/${name}-4`
    same(t, name, out, await train(other, { out, workers: 4 }))
  })

const [FREE, SCHEDULE] = Object.keys(RUNS) as [string, string]
for (const [name, step] of [
  [FREE, 4],
  [SCHEDULE, 3],
] as const)
  t.test(`${name}: lost workers, a stop in step ${step} and a resume change no bit`, async t => {
    const out = `${folder}/${name}-stopped`
    const faults = `${folder}/${name}-faults`
    mkdirSync(faults)
    for (const fault of ['throw-1', 'exit-2', 'settle']) writeFileSync(`${faults}/${fault}`, '')
    process.env.SADDLE_TEST_FAULTS = faults
    const options = { out, workers: 2, workerFile: faulty, ...stopIn(step) }
    const stopped = await train(RUNS[name]![0], options)
    t.same(readdirSync(faults), [], 'every fault happened')
    t.equal(stopped.status, 'stopped')
    t.ok(stopped.stepsDone >= step && stopped.stepsDone < 7)
    same(t, name, out, await resume(out, { workers: 1 }))
  })

t.test('what is equal by definition is equal to the bit', async t => {
  let runs = 0
  const weights = async (attack: ConfigInput['attack'] & object) => {
    const config = { ...base, attack, descent: { ...base.descent, steps: 4 } }
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
})

t.test('the perturbation that free carries is in the checkpoint', async t => {
  const header = readFileSync(
    `${folder}/${FREE}/checkpoints/step-000007/displacement.safetensors`,
  ).toString('latin1')
  t.match(header, /"carried\.perturbation":\{"dtype":"F32","shape":\[11,8\]/)
  const { step } = await loadNetwork(`${folder}/${FREE}`)
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
    const job = { dir, config: RUNS[SCHEDULE]![0], options: { workers: 1 } }
    const ended = await runRanks(launchers.openmpi, 2, [program, JSON.stringify([job])])
    t.equal(ended.code, 0, ended.stderr)
    const reports = linesOf<{ weights?: string }>(ended.stdout)
    t.equal(reports.length, 2)
    for (const { weights } of reports) t.equal(weights, weightsOf[SCHEDULE])
    t.same(metrics(dir), metrics(`${folder}/${SCHEDULE}`))
  },
)
