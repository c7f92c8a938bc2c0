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
  attack: { kind: 'pgd', steps: 3, stepSize: 0.5, start: 'uniform' },
}
const twoLayer: ConfigInput = {
  ...neurons,
  network: { family: 'two-layer', width: 96, activation: 'softplus:2' },
  descent: { steps: 10, stepSize: 0.5, radius: 0.5 },
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

for (const [name, config] of Object.entries({
  subtract: neurons,
  mirrored: neuronFactors,
  paper,
  'two-layer': twoLayer,
  classes: neuronClasses,
}))
  t.test(`${name}: ten projected steps move the weights as with examples split`, async t => {
    const folder = t.testdir()
    const [sliced, whole] = [`${folder}/neurons`, `${folder}/examples`]
    const { projectedShare } = await train(config, { out: sliced, workers: 2 })
    await train(withSplit(config, 'examples'), { out: whole, workers: 2 })
    t.ok(projectedShare > 0, 'the projection acts')
    const apart = await displacementsApart(sliced, whole)
    // Float32 sums in another order, through ten attacks, each of which passes on the rounding of the one before.
    t.ok(apart < 1e-4, `${apart}`)
    t.ok(apart > 0, 'it was another order')
  })

/** Why `blas` can't compute here, if it can't. */
const missing = (await devices()).find(({ backend }) => backend === 'blas')!.reason ?? false

for (const [name, config, backend] of [
  ['dense gradients', neurons, 'wasm'],
  ['factors in windows', neuronFactors, 'wasm'],
  ['classes', neuronClasses, 'cpu'],
  ['dense gradients', neurons, 'blas'],
  ['classes', neuronClasses, 'blas'],
] as const)
  t.test(
    `${name} on ${backend}: 1, 2, 3 and 4 workers give the same weights, figures and metrics`,
    { skip: backend === 'blas' && missing },
    async t => {
      const folder = t.testdir()
      const computed = { ...config, compute: { ...config.compute, backend } }
      const first = await train(computed, { out: `${folder}/1`, workers: 1 })
      for (const workers of [2, 3, 4]) {
        const out = `${folder}/${workers}`
        const { weights, train: figures } = await train(computed, { out, workers })
        t.equal(weights, first.weights)
        t.same(figures, first.train)
        t.same(metrics(out), metrics(`${folder}/1`))
      }
    },
  )

for (const [name, config] of Object.entries({ neurons, neuronFactors }))
  t.test(`${name}: a member that is lost in the middle of an attack changes no bit`, async t => {
    const folder = t.testdir({ clean: {}, faults: {} })
    const clean = await train(config, { out: `${folder}/clean/run`, workers: 3 })
    const faults = `${folder}/faults/list`
    mkdirSync(faults)
    for (const fault of ['throw-1', 'exit-3', 'memory-5']) writeFileSync(`${faults}/${fault}`, '')
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
    t.equal(lost.length, 3, 'each loss is told once, by its reason and not by those it sent home')
    t.match(lost.join('; '), /broken on purpose; .*exited with code: 9; .*memory/i)
  })

t.test('a team that always fails ends the run with a clear error', async t => {
  const folder = t.testdir({ faults: { always: '' } })
  process.env.SADDLE_TEST_FAULTS = `${folder}/faults`
  const run = train(neurons, { out: `${folder}/run`, workers: 2, workerFile: faulty })
  await t.rejects(run, {
    code: 'WORKER',
    message: /failed 4 times.*examples 0–5 of step 0.*broken on purpose/s,
  })
})

t.test('a stop in the middle of a step, then resume: same bits', async t => {
  const folder = t.testdir()
  const clean = await train(neurons, { out: `${folder}/clean`, workers: 2 })
  const out = `${folder}/stopped`
  const controller = new AbortController()
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'shard' && event.step === 6) controller.abort()
  }
  const stopped = await train(neurons, { out, workers: 3, signal: controller.signal, onEvent })
  t.equal(stopped.status, 'stopped')
  t.equal(stopped.stepsDone, 6)
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
