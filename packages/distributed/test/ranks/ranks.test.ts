import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ConfigInput, loadNetwork, type RunSummary, resume, train } from '@saddle/distributed'
import t, { type Test } from 'tap'
import { deep } from '../fixtures/configs.js'
import { type Launcher, launchers, linesOf, runRanks } from '../fixtures/launchers.js'
import { metrics } from '../fixtures/lines.js'

const program = fileURLToPath(new URL('../fixtures/ranks.mjs', import.meta.url))

interface Job {
  readonly dir: string
  readonly config?: ConfigInput
  readonly resume?: boolean
  readonly options?: { readonly workers: number }
  readonly each?: readonly object[]
  readonly stopAt?: { readonly rank: number; readonly step: number }
}

interface Report {
  readonly job: number
  readonly rank: number
  readonly weights?: string
  readonly status?: string
  readonly stepsDone?: number
  readonly figures?: [RunSummary['train'], RunSummary['test']]
  readonly error?: { code: string; message: string; fields: Record<string, unknown> }
}

/** What each rank says of each job. */
async function together(launcher: Launcher, ranks: number, jobs: readonly Job[]) {
  const ended = await runRanks(launcher, ranks, [program, JSON.stringify(jobs)])
  if (ended.code !== 0) throw new Error(`exit ${ended.code}: ${ended.stdout}${ended.stderr}`)
  const reports = linesOf<Report>(ended.stdout)
  return jobs.map((_, job) =>
    reports.filter(report => report.job === job).sort((a, b) => a.rank - b.rank),
  )
}

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

const folder = t.testdir()
const alone: Record<string, RunSummary> = {}
const skip = launchers.openmpi.missing

t.before(async () => {
  if (skip) return
  for (const [name, config] of Object.entries({ both, windows }))
    alone[name] = await train(config, { out: `${folder}/alone-${name}`, workers: 1 })
})

/** That a run has the bits, figures and metrics of the one without ranks. */
function same(t: Test, name: string, dir: string, reports: readonly Report[]) {
  const { weights, train: trained, test } = alone[name]!
  for (const report of reports)
    t.match(report, { weights, figures: [trained, test] }, `${dir}, rank ${report.rank}`)
  t.same(metrics(`${folder}/${dir}`), metrics(`${folder}/alone-${name}`), dir)
}

/** What each number of ranks trains besides, so that everything is seen on some. */
const more: Record<number, [name: string, config: ConfigInput][]> = {
  1: [],
  2: [['measured', measured]],
  3: [
    ['windows', windows],
    ['fewest', fewest],
  ],
}

for (const ranks of [1, 2, 3])
  t.test(
    `${ranks} ranks of 1 and of 2 workers give the bits, figures and metrics of one process`,
    { skip },
    async t => {
      const jobs = [
        ...[1, 2].map(workers => ({ name: `both-${workers}`, config: both, options: { workers } })),
        ...more[ranks]!.map(([name, config]) => ({ name, config, options: { workers: 1 } })),
      ].map(job => ({ ...job, dir: `${folder}/${ranks}-${job.name}` }))
      const reports = await together(launchers.openmpi, ranks, jobs)
      for (const [job, { name }] of jobs.entries()) {
        t.equal(reports[job]!.length, ranks)
        if (name !== 'fewest')
          same(t, name === 'windows' ? name : 'both', `${ranks}-${name}`, reports[job]!)
      }
      const dir = `${folder}/${ranks}-both-1`
      const files = readdirSync(`${dir}/checkpoints/step-000006`)
      t.equal(files.filter(file => file.startsWith('displacement')).length, ranks)
      const { step, parameters } = await loadNetwork(dir)
      const { parameters: expected } = await loadNetwork(`${folder}/alone-both`)
      t.equal(step, 6)
      t.same(parameters.trained, expected.trained, 'the parts of a checkpoint are put together')
    },
  )

t.test('ranks of MPICH give the same bits', { skip: launchers.mpich.missing || skip }, async t => {
  const job = { dir: `${folder}/mpich`, config: both, options: { workers: 1 } }
  const [reports] = await together(launchers.mpich, 2, [job])
  same(t, 'both', 'mpich', reports!)
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
    const stopAt = { rank: 1, step: 2 }
    const [stopped] = await together(launchers.openmpi, 3, [
      { dir, config: both, options: { workers: 1 }, stopAt },
    ])
    for (const report of stopped!) t.match(report, { status: 'stopped', stepsDone: 3 })
    t.same(metrics(dir).length, 3)
    cpSync(dir, `${dir}-2`, { recursive: true })
    const summary = await resume(dir, { workers: 1 })
    t.equal(summary.weights, alone.both!.weights)
    t.same(metrics(dir), metrics(`${folder}/alone-both`))
    const job = { dir: `${dir}-2`, resume: true, options: { workers: 1 } }
    same(t, 'both', 'stopped-2', (await together(launchers.openmpi, 2, [job]))[0]!)
  },
)

t.test(
  'what ranks do not have alike, and what fails on one of them, ends all with one error',
  { skip },
  async t => {
    const options = { workers: 1 }
    const at = (name: string) => `${folder}/refused-${name}`
    const jobs: Job[] = [
      { dir: at('seed'), config: both, options, each: [{}, { config: { seed: 12 } }] },
      {
        dir: at('data'),
        config: both,
        options,
        each: [{}, { config: { data: { ...both.data, count: 36 } } }],
      },
      { dir: at('loss'), config: both, options, each: [{}, { config: { loss: 'none' } }] },
      {
        dir: at('bits'),
        config: both,
        options,
        each: [{}, { worker: 'corrupting.worker.mjs' }],
      },
      {
        dir: at('work'),
        config: both,
        options,
        each: [{}, { worker: 'failing.worker.mjs' }],
      },
    ]
    const reports = await together(launchers.openmpi, 2, jobs)
    const errors = reports.map(both => both.map(({ error }) => error!))
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
      const { dir } = jobs[job]!
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
