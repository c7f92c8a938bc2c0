import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ConfigInput, loadNetwork, type RunSummary, resume, train } from '@saddle/distributed'
import t from 'tap'
import { neuronClasses, neuronFactors, neurons } from '../fixtures/configs.js'
import { type Launcher, launchers, linesOf, runRanks } from '../fixtures/launchers.js'
import { metrics } from '../fixtures/lines.js'

const program = fileURLToPath(new URL('../fixtures/ranks.mjs', import.meta.url))

interface Report {
  readonly job: number
  readonly rank: number
  readonly weights?: string
  readonly status?: string
  readonly figures?: readonly unknown[]
  readonly sent?: number
  readonly error?: { code: string; message: string }
}

/** What each rank says of each job. */
async function together(launcher: Launcher, ranks: number, jobs: readonly object[]) {
  const ended = await runRanks(launcher, ranks, [program, JSON.stringify(jobs)])
  if (ended.code !== 0) throw new Error(`exit ${ended.code}: ${ended.stdout}${ended.stderr}`)
  const reports = linesOf<Report>(ended.stdout)
  return jobs.map((_, job) =>
    reports.filter(report => report.job === job).sort((a, b) => a.rank - b.rank),
  )
}

const short = { steps: 3, stepSize: 'theory', radius: 0.5 } as const

/** Dense gradients; factors in windows; three outputs; pairs. */
const dense: ConfigInput = { ...neurons, descent: short, checkpoints: { every: 2, keep: 3 } }
const factors: ConfigInput = { ...neuronFactors, descent: { ...short, batch: 5 } }
const outputs: ConfigInput = {
  ...neuronClasses,
  descent: { ...neuronClasses.descent, steps: 3 },
  evaluation: { attack: { kind: 'fgsm' } },
}
const pairs: ConfigInput = {
  ...dense,
  network: { family: 'two-layer', width: 96, activation: 'softplus:2' },
  descent: { steps: 3, stepSize: 0.5, radius: 0.5 },
}
const configs = { dense, factors, outputs, pairs }
type Name = keyof typeof configs

const folder = t.testdir()
const alone: Partial<Record<Name, RunSummary>> = {}
const skip = launchers.openmpi.missing

t.before(async () => {
  if (skip) return
  for (const name of Object.keys(configs) as Name[])
    alone[name] = await train(configs[name], { out: `${folder}/alone-${name}`, workers: 1 })
})

const JOBS: Record<number, [name: Name, workers: number][]> = {
  2: [
    ['dense', 2],
    ['pairs', 1],
  ],
  3: [
    ['factors', 1],
    ['outputs', 1],
  ],
}

for (const ranks of [2, 3])
  t.test(
    `${ranks} ranks that each hold some of the neurons give the bits and figures of one`,
    { skip },
    async t => {
      const jobs = JOBS[ranks]!.map(([name, workers]) => ({
        dir: `${folder}/${ranks}-${name}`,
        config: configs[name],
        options: { workers },
      }))
      const reports = await together(launchers.openmpi, ranks, jobs)
      for (const [job, [name]] of JOBS[ranks]!.entries()) {
        const { weights, train: trained, test } = alone[name]!
        t.equal(reports[job]!.length, ranks)
        for (const report of reports[job]!) t.match(report, { weights, figures: [trained, test] })
        const dir = jobs[job]!.dir
        t.same(metrics(dir), metrics(`${folder}/alone-${name}`))
        const [whole, expected] = await Promise.all(
          [dir, `${folder}/alone-${name}`].map(loadNetwork),
        )
        t.same(whole!.parameters, expected!.parameters, 'parts of a checkpoint make up the whole')
      }
    },
  )

t.test('a checkpoint of two ranks is gone on from by three, and by one', { skip }, async t => {
  const dir = `${folder}/stopped`
  const stop = { dir, config: dense, options: { workers: 1 }, stopAt: { rank: 1, step: 1 } }
  const [stopped] = await together(launchers.openmpi, 2, [stop])
  t.match(stopped, [{ status: 'stopped' }, { status: 'stopped' }])
  cpSync(dir, `${dir}-one`, { recursive: true })
  const { weights } = alone.dense!
  t.equal((await resume(`${dir}-one`, { workers: 2 })).weights, weights)
  const [resumed] = await together(launchers.openmpi, 3, [
    { dir, resume: true, options: { workers: 1 } },
  ])
  t.match(resumed, [{ weights }, { weights }, { weights }])
  t.same(metrics(dir), metrics(`${folder}/alone-dense`))
})

t.test(
  'a member that is lost on one rank sends all ranks back to the start of its shard',
  {
    skip,
  },
  async t => {
    const faults = `${folder}/list`
    mkdirSync(faults)
    for (const fault of ['throw-1', 'exit-2']) writeFileSync(`${faults}/${fault}`, '')
    process.env.SADDLE_TEST_FAULTS = faults
    const each = [{}, { worker: 'faulty.worker.mjs' }]
    const job = { dir: `${folder}/faults`, config: dense, options: { workers: 2 }, each }
    const [reports] = await together(launchers.openmpi, 2, [job])
    const { weights } = alone.dense!
    t.match(reports, [{ weights }, { weights }])
    t.same(readdirSync(faults), [], 'every fault happened')
  },
)

t.test('an attack step sends n (d + 1) numbers, and a word to agree', { skip }, async t => {
  const attack = (steps: number): ConfigInput => ({
    ...dense,
    attack: { kind: 'pgd', steps, stepSize: 0.5, start: 'clean', objective: 'loss' },
    descent: { steps: 1, stepSize: 'theory', radius: 0.5 },
    evaluation: { attack: { kind: 'identity' } },
    compute: { ...dense.compute, shard: 37 },
  })
  const jobs = [2, 5].map(steps => ({
    dir: `${folder}/bytes-${steps}`,
    config: attack(steps),
    options: { workers: 1 },
  }))
  const reports = await together(launchers.openmpi, 2, jobs)
  const { network } = await loadNetwork(jobs[0]!.dir)
  const [fewer, more] = reports.map(ranks => ranks.map(({ sent }) => sent!))
  const n = 37
  const d = network.spec.inputs
  // The word is 16 bytes, all-reduced: sent twice (P − 1)/P times. What ranks tell each other in text, whose length
  // changes with the times in it, is counted apart.
  const bytes = 3 * (4 * n * (d + 1) + 16)
  t.same(
    more!.map((sent, rank) => sent - fewer![rank]!),
    [bytes, bytes],
    'for three more steps',
  )
})

t.test('more ranks than slices of neurons, and a comparator, are refused', { skip }, async t => {
  const narrow: ConfigInput = { ...dense, network: { ...dense.network, width: 8 } }
  const monitored = { ...dense, monitor: { comparator: `${folder}/alone-dense` } }
  const jobs = [narrow, monitored].map((config, i) => ({ dir: `${folder}/refused-${i}`, config }))
  const [few, compared] = await together(launchers.openmpi, 2, jobs)
  t.match(few![0], { error: { code: 'CONFIG', message: /at most 1 ranks for 8 rows/ } })
  t.match(compared![1], { error: { code: 'CONFIG', message: /no rank holds all neurons/ } })
})
