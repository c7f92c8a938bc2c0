import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import {
  type ConfigInput,
  devices,
  type RunSummary,
  resume,
  type TrainEvent,
  train,
} from '@saddle/distributed'
import t from 'tap'
import { classes, deep } from '../fixtures/configs.js'

const faulty = new URL('../fixtures/faulty.worker.mjs', import.meta.url)
const deepMiniBatch: ConfigInput = { ...deep, descent: { ...deep.descent, batch: 12 } }
/** Factors of 10 examples at a time, so that 37 need four windows and are summed densely. */
const deepWindows: ConfigInput = { ...deep, compute: { ...deep.compute, window: 4 * 256 * 10 } }

/** metrics.jsonl without the one field that may differ between equal runs. */
function metrics(dir: string): string[] {
  return readFileSync(`${dir}/metrics.jsonl`, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.stringify({ ...JSON.parse(line), seconds: 0 }))
}

/** Chunks of 2 examples, so that a shard of 5 is summed over three of them, as at very large widths. */
const deepChunks: ConfigInput = { ...deep, compute: { ...deep.compute, window: 2048 } }

for (const [name, config] of Object.entries({
  deep,
  deepMiniBatch,
  deepWindows,
  deepChunks,
  classes,
})) {
  t.test(`${name}: 1, 2, 3 and 5 workers give the same weights, figures and metrics`, async t => {
    const folder = t.testdir()
    const runs: { summary: RunSummary; lines: string[] }[] = []
    for (const workers of [1, 2, 3, 5]) {
      const out = `${folder}/${workers}`
      const summary = await train(config, { out, workers })
      runs.push({ summary, lines: metrics(out) })
    }
    const [one, ...more] = runs
    t.equal(one!.summary.stepsDone, 10)
    t.equal(one!.lines.length, 10)
    for (const { summary, lines } of more) {
      t.equal(summary.weights, one!.summary.weights)
      t.same([summary.train, summary.test], [one!.summary.train, one!.summary.test])
      t.same(lines, one!.lines)
    }
  })
}

/** Why `blas` can't compute here, if it can't. */
const missing = (await devices()).find(({ backend }) => backend === 'blas')!.reason ?? false

for (const [name, config] of Object.entries({ deep, classes })) {
  t.test(
    `${name} on blas: 1, 2 and 3 workers give the same weights`,
    { skip: missing },
    async t => {
      const folder = t.testdir()
      const compute = { ...config.compute, backend: 'blas' }
      const weights: string[] = []
      for (const workers of [1, 2, 3]) {
        const out = `${folder}/${workers}`
        const summary = await train({ ...config, compute }, { out, workers })
        weights.push(summary.weights)
      }
      t.equal(weights[1], weights[0])
      t.equal(weights[2], weights[0])
    },
  )
}

t.test(
  'the deep configuration exercises both forms, and mini-batches and windows another path',
  async t => {
    const folder = t.testdir()
    const plans: Record<string, string[]> = {}
    for (const [name, config] of Object.entries({ deep, deepMiniBatch, deepWindows })) {
      const onEvent = (event: TrainEvent) => {
        if (event.kind === 'start') plans[name] = event.plan.map(p => p.form)
      }
      const summary = await train(config, { out: `${folder}/${name}`, onEvent })
      plans[`${name} weights`] = [summary.weights]
    }
    t.same(plans.deep, ['dense', 'factors'])
    t.not(plans['deep weights']![0], plans['deepMiniBatch weights']![0])
  },
)

const FAULTS = [
  'throw-1',
  'exit-3',
  'memory-5',
  'propose',
  'settle',
  'settle-accepting',
  'settle-applying',
]

for (const [backend, skip] of Object.entries({ wasm: false, blas: missing }))
  t.test(
    `workers that throw, exit or run out of memory in mid-task change no bit on ${backend}`,
    { skip },
    async t => {
      const config = { ...deep, compute: { ...deep.compute, backend } }
      const folder = t.testdir({ clean: {}, faults: {} })
      const clean = await train(config, { out: `${folder}/clean/run`, workers: 2 })
      const faults = `${folder}/faults/list`
      mkdirSync(faults)
      for (const name of FAULTS) writeFileSync(`${faults}/${name}`, '')
      process.env.SADDLE_TEST_FAULTS = faults
      const lost: string[] = []
      const onEvent = (event: TrainEvent) => {
        if (event.kind === 'worker-lost') lost.push(`${event.task}: ${event.reason}`)
      }
      const out = `${folder}/faults/run`
      const summary = await train(config, {
        out,
        workers: 2,
        workerFile: faulty,
        heapMiB: 400,
        onEvent,
      })
      t.equal(summary.weights, clean.weights)
      t.same(metrics(out), metrics(`${folder}/clean/run`))
      t.same(readdirSync(faults), [], 'every fault happened')
      t.ok(lost.length >= FAULTS.length, lost.join('; '))
      t.match(lost.join('\n'), /broken on purpose/)
      t.match(lost.join('\n'), /exited with code: 9/)
      t.match(lost.join('\n'), /memory/i)
    },
  )

t.test(
  'a task that kills every worker ends the run with a clear error, checkpoints intact',
  async t => {
    const folder = t.testdir({ faults: {} })
    process.env.SADDLE_TEST_FAULTS = `${folder}/faults`
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'checkpoint' && event.step === 4)
        writeFileSync(`${folder}/faults/always`, '')
    }
    const out = `${folder}/run`
    await t.rejects(train(deep, { out, workers: 2, workerFile: faulty, onEvent }), {
      code: 'WORKER',
      message: /failed 4 times.*examples .* of step \d.*broken on purpose.*resume/s,
    })
    const [clean, resumed] = await Promise.all([
      train(deep, { out: `${folder}/clean` }),
      resume(out),
    ])
    t.equal(resumed.weights, clean.weights)
    t.same(metrics(out), metrics(`${folder}/clean`))
  },
)

for (const [backend, skip] of Object.entries({ wasm: false, blas: missing }))
  t.test(
    `a stop in the middle of a step saves a checkpoint, and resume ends at the same bits on ${backend}`,
    { skip },
    async t => {
      const config = { ...deep, compute: { ...deep.compute, backend } }
      const folder = t.testdir()
      const clean = await train(config, { out: `${folder}/clean` })
      const out = `${folder}/stopped`
      const controller = new AbortController()
      const onEvent = (event: TrainEvent) => {
        if (event.kind === 'shard' && event.step === 6) controller.abort()
      }
      const stopped = await train(config, { out, workers: 2, signal: controller.signal, onEvent })
      t.equal(stopped.status, 'stopped')
      t.ok(
        stopped.stepsDone >= 6 && stopped.stepsDone <= 7,
        `stopped after ${stopped.stepsDone} steps`,
      )
      t.equal(stopped.train, null)
      const resumed = await resume(out, { workers: 3 })
      t.equal(resumed.status, 'done')
      t.equal(resumed.weights, clean.weights)
      t.same(resumed.train, clean.train)
      t.same(metrics(out), metrics(`${folder}/clean`))
    },
  )

t.test('resuming a finished run returns the same figures and writes no more metrics', async t => {
  const out = `${t.testdir()}/run`
  const first = await train(classes, { out })
  const lines = metrics(out)
  const again = await resume(out)
  t.equal(again.weights, first.weights)
  t.same([again.train, again.test], [first.train, first.test])
  t.same(metrics(out), lines)
})
