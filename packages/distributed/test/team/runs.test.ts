import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import {
  type ConfigInput,
  devices,
  loadNetwork,
  parseConfig,
  resume,
  type TrainEvent,
  train,
} from '@saddle/distributed'
import t from 'tap'
import { neuronClasses, neuronFactors, neurons } from '../fixtures/configs.js'

const faulty = new URL('../fixtures/faulty.worker.mjs', import.meta.url)

/** metrics.jsonl without the one field that may differ between equal runs. */
function metrics(dir: string): string[] {
  return readFileSync(`${dir}/metrics.jsonl`, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.stringify({ ...JSON.parse(line), seconds: 0 }))
}

const withSplit = (config: ConfigInput, split: 'auto' | 'examples' | 'neurons'): ConfigInput => ({
  ...config,
  compute: { ...config.compute, split },
})

const paper: ConfigInput = {
  ...neurons,
  network: { family: 'deep', width: 100, init: 'paper' },
}
const twoLayer: ConfigInput = {
  ...neurons,
  network: { family: 'two-layer', width: 96, activation: 'softplus:2' },
  descent: { steps: 6, stepSize: 0.5, radius: 0.5 },
}

/** ‖Δ − Δ'‖/‖Δ‖ over all matrices, Δ the displacement of a run. */
async function displacementsApart(one: string, other: string): Promise<number> {
  const [a, b] = await Promise.all([loadNetwork(one), loadNetwork(other)])
  let difference = 0
  let size = 0
  a.parameters.trained.forEach(({ displacement: { data } }, i) => {
    const others = b.parameters.trained[i]!.displacement.data
    data.forEach((d, j) => {
      difference += (d - others[j]!) ** 2
      size += d ** 2
    })
  })
  return Math.sqrt(difference / size)
}

/** Why `blas` can't compute here, if it can't. */
const missing = (await devices()).find(({ backend }) => backend === 'blas')!.reason ?? false

const onBlas: ConfigInput = { ...neurons, compute: { ...neurons.compute, backend: 'blas' } }

for (const [name, config, all] of [
  ['subtract, dense gradients', neurons, [1, 2, 3, 4]],
  ['mirrored, factors in windows', neuronFactors, [1, 3]],
  ['classes', neuronClasses, [1, 4]],
  ['subtract on blas', onBlas, [1, 3]],
  ['paper', paper, [2]],
  ['two-layer', twoLayer, [2]],
] as const)
  t.test(
    `${name}: neurons split over ${all.join(', ')} workers give the same bits, and examples split the same up to rounding`,
    { skip: config === onBlas && missing },
    async t => {
      const folder = t.testdir()
      const first = await train(config, { out: `${folder}/${all[0]}`, workers: all[0] })
      for (const workers of all.slice(1)) {
        const out = `${folder}/${workers}`
        const { weights, train: figures } = await train(config, { out, workers })
        t.equal(weights, first.weights)
        t.same(figures, first.train)
        t.same(metrics(out), metrics(`${folder}/${all[0]}`))
      }
      t.ok(first.projectedShare > 0, 'the projection acts')
      const out = `${folder}/examples`
      await train(withSplit(config, 'examples'), { out, workers: 2 })
      const apart = await displacementsApart(`${folder}/${all[0]}`, out)
      // Float32 sums in another order, through six attacks, each of which passes on the rounding of the one before.
      t.ok(apart < 1e-5, `${apart}`)
      t.ok(apart > 0, 'it was another order')
    },
  )

for (const [config, faultNames] of [
  [neurons, ['throw-1', 'exit-2', 'memory-4']],
  [neuronFactors, ['exit-2']],
] as const)
  t.test(
    `${config.name}: a member that is lost in the middle of an attack changes no bit`,
    async t => {
      const folder = t.testdir({ clean: {}, faults: {} })
      const clean = await train(config, { out: `${folder}/clean/run`, workers: 3 })
      const faults = `${folder}/faults/list`
      mkdirSync(faults)
      for (const fault of faultNames) writeFileSync(`${faults}/${fault}`, '')
      process.env.SADDLE_TEST_FAULTS = faults
      const lost: string[] = []
      const onEvent = (event: TrainEvent) => {
        if (event.kind === 'worker-lost') lost.push(event.reason)
      }
      const out = `${folder}/faults/run`
      const options = { workers: 3, workerFile: faulty, heapMiB: 400, onEvent }
      const summary = await train(config, { out, ...options })
      t.equal(summary.weights, clean.weights)
      t.same(metrics(out), metrics(`${folder}/clean/run`))
      t.same(readdirSync(faults), [], 'every fault happened')
      // Each is told once, by its reason, and not by those it sent home.
      t.equal(lost.length, faultNames.length)
      const reasons = { throw: /broken on purpose/, exit: /exited with code: 9/, memory: /memory/ }
      for (const [i, fault] of faultNames.entries())
        t.match(lost[i], reasons[fault.split('-')[0] as keyof typeof reasons])
    },
  )

t.test('a member whose thread cannot be replaced leaves its neurons to the others', async t => {
  const folder = t.testdir({ faults: { 'exit-2': '' } })
  process.env.SADDLE_TEST_FAULTS = `${folder}/faults`
  const lost: string[] = []
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'step') writeFileSync(`${folder}/faults/unborn`, '')
    if (event.kind === 'worker-lost') lost.push(event.reason)
  }
  const options = { workers: 3, workerFile: faulty, onEvent }
  const { weights } = await train(neurons, { out: `${folder}/run`, ...options })
  const clean = await train(neurons, { out: `${folder}/clean`, workers: 2 })
  t.equal(weights, clean.weights)
  t.match(lost.join('; '), /exited with code: 9/)
})

t.test('a team that always fails ends the run with a clear error', async t => {
  const folder = t.testdir({ faults: { always: '' } })
  process.env.SADDLE_TEST_FAULTS = `${folder}/faults`
  const run = train(neurons, { out: `${folder}/run`, workers: 2, workerFile: faulty })
  await t.rejects(run, {
    code: 'WORKER',
    message: /failed 4 times.*examples 0–13 of step 0.*broken on purpose/s,
  })
})

t.test('a stop in the middle of a step, then resume: same bits', async t => {
  const folder = t.testdir()
  const clean = await train(neurons, { out: `${folder}/clean`, workers: 2 })
  const out = `${folder}/stopped`
  const controller = new AbortController()
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'shard' && event.step === 3) controller.abort()
  }
  const stopped = await train(neurons, { out, workers: 3, signal: controller.signal, onEvent })
  t.equal(stopped.status, 'stopped')
  t.equal(stopped.stepsDone, 3)
  const resumed = await resume(out, { workers: 4 })
  t.equal(resumed.weights, clean.weights)
  t.same(resumed.train, clean.train)
  t.same(metrics(out), metrics(`${folder}/clean`))
})

t.test('the regret monitor sees the comparator through slices', async t => {
  const folder = t.testdir()
  const comparator = `${folder}/comparator`
  await train(neurons, { out: comparator, workers: 2 })
  const monitored = { ...neurons, monitor: { comparator } }
  const one = await train(monitored, { out: `${folder}/one`, workers: 1 })
  const two = await train(monitored, { out: `${folder}/two`, workers: 2 })
  const examples = await train(withSplit(monitored, 'examples'), { out: `${folder}/examples` })
  t.same(two.regret, one.regret)
  const [got, wanted] = [two.regret!.averageGap, examples.regret!.averageGap]
  t.ok(Math.abs(got - wanted) < 1e-4 * Math.abs(wanted), `${got} and ${wanted}`)
})

t.test('auto takes neurons where the network is wide, and says what was counted', async t => {
  const folder = t.testdir()
  const splits: string[] = []
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'start') splits.push(event.split.by)
  }
  const wide: ConfigInput = withSplit(
    {
      ...neurons,
      network: { family: 'deep', width: 8192 },
      attack: { kind: 'fgsm' },
      descent: { steps: 1, batch: 4 },
    },
    'auto',
  )
  await train(wide, { out: `${folder}/wide`, workers: 2, onEvent })
  await train(withSplit({ ...neurons, descent: { steps: 1 } }, 'auto'), {
    out: `${folder}/narrow`,
    workers: 2,
    onEvent,
  })
  t.same(splits, ['neurons', 'examples'])
  t.match(readFileSync(`${folder}/wide/log.jsonl`, 'utf8'), /"split":\{"by":"neurons"/)
})

t.test('neurons of deeper networks are not split', async t => {
  const deeper = { ...neurons, network: { family: 'deep', width: 64, depth: 2 } } as const
  t.throws(() => parseConfig(deeper), {
    code: 'CONFIG',
    message: /compute\.split: expected auto \| examples for network\.depth: 2.*got neurons/,
  })
})
