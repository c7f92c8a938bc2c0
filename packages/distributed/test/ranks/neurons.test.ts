import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { type ConfigInput, loadNetwork, type RunSummary, resume, train } from '@saddle/distributed'
import t from 'tap'
import { neuronClasses, neuronFactors, neurons } from '../fixtures/configs.js'
import { launchers } from '../fixtures/launchers.js'
import { metrics } from '../fixtures/lines.js'
import { type Job, type Report, together } from '../fixtures/together.js'

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

const folder: string = t.testdir()
const alone: Partial<Record<Name, RunSummary>> = {}
const skip = launchers.openmpi.missing
const faults = `${folder}/list`

const job = (name: string, config: ConfigInput, workers = 1): Job => ({
  dir: `${folder}/${name}`,
  config,
  options: { workers },
})

const attack = (steps: number): ConfigInput => ({
  ...dense,
  attack: { kind: 'pgd', steps, stepSize: 0.5, start: 'clean', objective: 'loss' },
  descent: { steps: 1, stepSize: 'theory', radius: 0.5 },
  evaluation: { attack: { kind: 'identity' } },
  compute: { ...dense.compute, shard: 37 },
})

/** What two ranks do, started once, then three. */
const onTwo = {
  dense: job('dense', dense, 2),
  pairs: job('pairs', pairs),
  stopped: { ...job('stopped', dense), stopAt: { rank: 1, step: 1 } },
  faults: { ...job('faults', dense, 2), each: [{}, { worker: 'faulty.worker.mjs' }] },
  fewer: job('fewer', attack(2)),
  more: job('more', attack(5)),
  narrow: job('narrow', { ...dense, network: { ...dense.network, width: 8 } }),
  monitored: job('monitored', { ...dense, monitor: { comparator: `${folder}/alone-dense` } }),
}
const onThree = {
  factors: job('factors', factors),
  outputs: job('outputs', outputs),
  resumed: { dir: `${folder}/stopped`, resume: true, options: { workers: 1 } },
}
let two: Record<keyof typeof onTwo, Report[]>
let three: Record<keyof typeof onThree, Report[]>

t.before(async () => {
  if (skip) return
  for (const name of Object.keys(configs) as Name[])
    alone[name] = await train(configs[name], { out: `${folder}/alone-${name}`, workers: 1 })
  mkdirSync(faults)
  for (const fault of ['throw-1', 'exit-2']) writeFileSync(`${faults}/${fault}`, '')
  process.env.SADDLE_TEST_FAULTS = faults
  two = await together(launchers.openmpi, 2, onTwo)
  cpSync(`${folder}/stopped`, `${folder}/stopped-one`, { recursive: true })
  three = await together(launchers.openmpi, 3, onThree)
})

for (const [ranks, names] of [
  [2, ['dense', 'pairs']],
  [3, ['factors', 'outputs']],
] as const)
  t.test(
    `${ranks} ranks that each hold some of the neurons give the bits and figures of one`,
    { skip },
    async t => {
      for (const name of names) {
        const { weights, train: trained, test } = alone[name]!
        const reports = { ...two, ...three }[name]
        t.equal(reports.length, ranks)
        for (const report of reports) t.match(report, { weights, figures: [trained, test] })
        const [dir, other] = [`${folder}/${name}`, `${folder}/alone-${name}`]
        t.same(metrics(dir), metrics(other))
        const [whole, expected] = await Promise.all([dir, other].map(loadNetwork))
        t.same(whole!.parameters, expected!.parameters, 'parts of a checkpoint make up the whole')
      }
    },
  )

t.test('a checkpoint of two ranks is gone on from by three, and by one', { skip }, async t => {
  t.match(two.stopped, [{ status: 'stopped' }, { status: 'stopped' }])
  const { weights } = alone.dense!
  t.equal((await resume(`${folder}/stopped-one`, { workers: 2 })).weights, weights)
  t.match(three.resumed, [{ weights }, { weights }, { weights }])
  t.same(metrics(`${folder}/stopped`), metrics(`${folder}/alone-dense`))
})

t.test(
  'a member that is lost on one rank sends all ranks back to the start of its shard',
  { skip },
  async t => {
    const { weights } = alone.dense!
    t.match(two.faults, [{ weights }, { weights }])
    t.same(readdirSync(faults), [], 'every fault happened')
  },
)

t.test('an attack step sends n (d + 1) numbers, and a word to agree', { skip }, async t => {
  const { network } = await loadNetwork(`${folder}/fewer`)
  const n = 37
  const d = network.spec.inputs
  // The word is 16 bytes, all-reduced: sent twice (P − 1)/P times. What ranks tell each other in text, whose length
  // changes with the times in it, is counted apart.
  const bytes = 3 * (4 * n * (d + 1) + 16)
  t.same(
    two.more.map(({ sent }, rank) => sent! - two.fewer[rank]!.sent!),
    [bytes, bytes],
    'for three more steps',
  )
})

t.test('more ranks than slices of neurons, and a comparator, are refused', { skip }, async t => {
  t.match(two.narrow[0], { error: { code: 'CONFIG', message: /at most 1 ranks for 8 rows/ } })
  t.match(two.monitored[1], { error: { code: 'CONFIG', message: /no rank holds all neurons/ } })
})
