import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { type ConfigInput, loadNetwork, type RunSummary, resume, train } from '@saddle/distributed'
import t, { type Test } from 'tap'
import { deep } from '../fixtures/configs.js'
import { launchers } from '../fixtures/launchers.js'
import { metrics } from '../fixtures/lines.js'
import { type Job, type Report, together } from '../fixtures/together.js'

/** Layer 1 travels densely in 8 parts, layer 2 as factors; the last shard is a short one. */
const both: ConfigInput = {
  ...deep,
  network: { family: 'deep', width: 64, depth: 2, init: 'subtract' },
  attack: { kind: 'pgd', steps: 1, stepSize: 0.5, start: 'uniform', objective: 'two-sided' },
  descent: { steps: 6, stepSize: 'theory', radius: 0.5, batch: 30 },
  evaluation: { attack: { kind: 'fgsm' } },
  checkpoints: { every: 4, keep: 3 },
  compute: { backend: 'wasm', shard: 4, verify: 2 },
}
/** The same with factors of 12 examples at a time, so that layer 2 is summed over three windows. */
const windows: ConfigInput = { ...both, compute: { ...both.compute, window: 4 * 128 * 12 } }
const measured: ConfigInput = { ...both, compute: { ...both.compute, deal: 'measured' } }
const fewest: ConfigInput = { ...both, compute: { ...both.compute, sums: 'fewest' } }

const folder: string = t.testdir()
const alone: Record<string, RunSummary> = {}
const skip = launchers.openmpi.missing

const job = (name: string, config: ConfigInput, workers = 1): Job => ({
  dir: `${folder}/${name}`,
  config,
  options: { workers },
})

/** Rank 1 has something otherwise than rank 0. */
const refused = {
  seed: { ...job('refused-seed', both), each: [{}, { config: { seed: 12 } }] },
  data: {
    ...job('refused-data', both),
    each: [{}, { config: { data: { ...both.data, count: 36 } } }],
  },
  loss: { ...job('refused-loss', both), each: [{}, { config: { loss: 'none' } }] },
  bits: { ...job('refused-bits', both), each: [{}, { worker: 'corrupting.worker.mjs' }] },
  work: { ...job('refused-work', both), each: [{}, { worker: 'failing.worker.mjs' }] },
}

/** What ranks do, started once for each number of them: on 3 first, whose stopped run 2 go on with. */
const jobs: Record<number, Record<string, Job>> = {
  3: {
    one: job('3-one', both),
    two: job('3-two', both, 2),
    windows: job('3-windows', windows),
    fewest: job('3-fewest', fewest),
    stopped: { ...job('stopped', both), stopAt: { rank: 1, step: 2 } },
  },
  2: {
    one: job('2-one', both),
    two: job('2-two', both, 2),
    measured: job('2-measured', measured),
    resumed: { dir: `${folder}/resumed`, resume: true, options: { workers: 1 } },
    ...refused,
  },
  1: { one: job('1-one', both), two: job('1-two', both, 2) },
}
const reports: Record<number, Record<string, Report[]>> = {}

t.before(async () => {
  if (skip) return
  for (const [name, config] of Object.entries({ both, windows }))
    alone[name] = await train(config, { out: `${folder}/alone-${name}`, workers: 1 })
  for (const ranks of [3, 2, 1]) {
    reports[ranks] = await together(launchers.openmpi, ranks, jobs[ranks]!)
    if (ranks === 3) cpSync(`${folder}/stopped`, `${folder}/resumed`, { recursive: true })
  }
})

/** That a run has the bits, figures and metrics of the one without ranks. */
function same(t: Test, name: string, dir: string, reports: readonly Report[]) {
  const { weights, train: trained, test } = alone[name]!
  for (const report of reports)
    t.match(report, { weights, figures: [trained, test] }, `${dir}, rank ${report.rank}`)
  t.same(metrics(`${folder}/${dir}`), metrics(`${folder}/alone-${name}`), dir)
}

for (const ranks of [1, 2, 3])
  t.test(
    `${ranks} ranks of 1 and of 2 workers give the bits, figures and metrics of one process`,
    { skip },
    async t => {
      for (const [name, found] of Object.entries(reports[ranks]!)) {
        if (!['one', 'two', 'measured', 'windows'].includes(name)) continue
        t.equal(found.length, ranks)
        same(t, name === 'windows' ? name : 'both', `${ranks}-${name}`, found)
      }
      const dir = `${folder}/${ranks}-one`
      const files = readdirSync(`${dir}/checkpoints/step-000006`)
      t.equal(files.filter(file => file.startsWith('displacement')).length, ranks)
      const { step, parameters } = await loadNetwork(dir)
      const { parameters: expected } = await loadNetwork(`${folder}/alone-both`)
      t.equal(step, 6)
      t.same(parameters.trained, expected.trained, 'the parts of a checkpoint are put together')
    },
  )

t.test('ranks of MPICH give the same bits', { skip: launchers.mpich.missing || skip }, async t => {
  const { mpich } = await together(launchers.mpich, 2, { mpich: job('mpich', both) })
  same(t, 'both', 'mpich', mpich)
})

t.test('all-reduced sums differ in their last bits only', { skip }, async t => {
  const dir = `${folder}/3-fewest`
  const { parameters: found } = await loadNetwork(dir)
  const { parameters: expected } = await loadNetwork(`${folder}/alone-both`)
  for (const [index, { displacement }] of expected.trained.entries()) {
    const other = found.trained[index]!.displacement.data
    const largest = displacement.data.reduce((max, x) => Math.max(max, Math.abs(x)), 0)
    t.ok(displacement.data.every((x, i) => Math.abs(x - other[i]!) <= 1e-4 * largest))
  }
  const log = readFileSync(`${dir}/log.jsonl`, 'utf8')
  t.match(log, /"means":"reduce"/, 'the log says how gradients got around')
})

t.test(
  'a rank is asked to stop and all stop there; 1 and 2 ranks then go on to the same bits',
  { skip },
  async t => {
    const dir = `${folder}/stopped`
    for (const report of reports[3]!.stopped!) t.match(report, { status: 'stopped', stepsDone: 3 })
    t.same(metrics(dir).length, 3)
    const summary = await resume(dir, { workers: 1 })
    t.equal(summary.weights, alone.both!.weights)
    t.same(metrics(dir), metrics(`${folder}/alone-both`))
    same(t, 'both', 'resumed', reports[2]!.resumed!)
  },
)

t.test(
  'what ranks do not have alike, and what fails on one of them, ends all with one error',
  { skip },
  async t => {
    const at = (name: string) => `${folder}/refused-${name}`
    const names = Object.keys(refused)
    const errors = names.map(name => reports[2]![name]!.map(({ error }) => error!))
    const expected: [code: string, message: RegExp][] = [
      [
        'CONFIG',
        /not alike.*configuration: [0-9a-f]{16} on rank 0 \(.*\); [0-9a-f]{16} on rank 1 \(.*\)/,
      ],
      ['CONFIG', /not alike.*data: [0-9a-f]{16} on rank 0/],
      ['CONFIG', /^rank 1 of 2 on \S+: .*none/],
      [
        'COLLECTIVE',
        /differ after step 4: rank 0 \(\S+\): [0-9a-f]{64}; rank 1 \(\S+\): [0-9a-f]{64}/,
      ],
      ['WORKER', /^rank 1 of 2 on \S+: Workers failed 4 times/],
    ]
    for (const [job, [code, message]] of expected.entries()) {
      const dir = at(names[job]!)
      t.same(
        errors[job]!.map(error => error.code),
        [code, code],
        dir,
      )
      t.match(errors[job]![0]!.message, message, dir)
    }
    for (const name of ['seed', 'data', 'loss'])
      t.notOk(existsSync(at(name)), `${name}: nothing was written`)
    t.match(errors[3]![0]!.fields, { step: 4 })
    t.equal(metrics(at('work')).length, 2, 'steps before the one that failed are kept')
  },
)
