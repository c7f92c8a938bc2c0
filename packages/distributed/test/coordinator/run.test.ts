import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { type ConfigInput, devices, loadNetwork, resume, train } from '@saddle/distributed'
import t from 'tap'
import { classes, deep } from '../fixtures/configs.js'

t.test('a run folder holds the configuration, metrics, log, checkpoints and summary', async t => {
  const out = `${t.testdir()}/run`
  const summary = await train(deep, { out, workers: 2 })
  t.same(readdirSync(out).sort(), [
    'checkpoints',
    'config.yaml',
    'log.jsonl',
    'metrics.jsonl',
    'summary.json',
  ])
  t.same(readdirSync(`${out}/checkpoints`), ['step-000008', 'step-000010'])
  t.same(JSON.parse(readFileSync(`${out}/summary.json`, 'utf8')), summary)
  t.equal(summary.status, 'done')
  t.equal(summary.regret, null)
  t.ok(summary.worstDistance <= summary.radius!, 'the run ends inside B(R)')
  t.ok(summary.projectedShare > 0 && summary.projectedShare <= 1, 'and met its border')
  t.ok(summary.train!.robustLoss >= summary.train!.cleanLoss)
  t.ok(summary.bestLoss < 0.5, 'the loss fell below that of f = 0')
  const log = readFileSync(`${out}/log.jsonl`, 'utf8').trimEnd().split('\n')
  t.ok(log.every(line => typeof JSON.parse(line).timestamp === 'string'))
})

t.test(
  'auto is written down as the backend it stood for, so that a resumed run takes the same',
  async t => {
    const out = `${t.testdir()}/run`
    const { backend: _, ...compute } = deep.compute!
    const config = { ...deep, compute, descent: { ...deep.descent, steps: 1 } }
    const { backend } = await train(config, { out, workers: 1 })
    t.match(readFileSync(`${out}/config.yaml`, 'utf8'), new RegExp(`backend: ${backend}`))
  },
)

t.test('bad input is refused before a folder is made', async t => {
  const folder = t.testdir({ 'broken.csv': '1,2,1\n3,NaN,-1\n' })
  const csv = (file: string): ConfigInput => ({
    ...deep,
    data: { source: { kind: 'csv', file }, classes: [-1, 1] },
  })
  const wrong: [name: string, config: ConfigInput, expected: { code: string; message: RegExp }][] =
    [
      ['a missing file', csv(`${folder}/none.csv`), { code: 'DATA', message: /none\.csv/ }],
      ['NaN in the data', csv(`${folder}/broken.csv`), { code: 'DATA', message: /broken\.csv/ }],
      [
        'sets that meet',
        { ...deep, perturbation: { kind: 'cap', radius: 0.9 } },
        {
          code: 'INCOMPATIBLE',
          message: /examples \d+ and \d+.*Radii below 0\.\d+ are compatible/s,
        },
      ],
      [
        'R ≤ 0',
        { ...deep, descent: { ...deep.descent, radius: 0 } },
        { code: 'CONFIG', message: /descent\.radius/ },
      ],
      [
        'an unknown backend',
        { ...deep, compute: { backend: 'abacus' } },
        { code: 'BACKEND', message: /abacus.*wasm/ },
      ],
      [
        'theory for a loss without one',
        { ...deep, loss: 'absolute' },
        { code: 'CONFIG', message: /absolute has no Lipschitz derivative/ },
      ],
    ]
  for (const [name, config, expected] of wrong) {
    const out = `${folder}/run`
    await t.rejects(train(config, { out }), expected, name)
    t.notOk(existsSync(out), `${name}: no folder`)
  }
})

t.test(
  'sets that meet are trained on if the configuration says so, with a remark in the log',
  async t => {
    const out = `${t.testdir()}/run`
    const perturbation = { kind: 'cap', radius: 0.9, allowIncompatible: true } as const
    const summary = await train(
      { ...deep, perturbation, descent: { steps: 1 } },
      { out, workers: 1 },
    )
    t.equal(summary.stepsDone, 1)
    t.match(readFileSync(`${out}/log.jsonl`, 'utf8'), /meet at radius 0\.9 \(Definition 3\.1\)/)
  },
)

t.test('a step size that is too large ends in a clear error', async t => {
  const out = `${t.testdir()}/run`
  const config = { ...deep, loss: 'square', descent: { steps: 40, stepSize: 1e12 } }
  await t.rejects(train(config, { out, workers: 1 }), {
    code: 'NUMERIC',
    message: /step size|stepSize/i,
  })
})

t.test('a run is not resumed on other data or another configuration', async t => {
  const folder = t.testdir({ 'data.csv': '1,0,1\n0,1,-1\n' })
  const out = `${folder}/run`
  const config: ConfigInput = {
    ...deep,
    data: { source: { kind: 'csv', file: 'data.csv' }, classes: [-1, 1] },
    descent: { steps: 2 },
  }
  await train(config, { out, workers: 1, directory: folder })
  writeFileSync(`${folder}/data.csv`, '1,0.5,1\n0,1,-1\n')
  await t.rejects(resume(out), { code: 'CHECKPOINT', message: /the data .* changed/ })
  writeFileSync(`${folder}/data.csv`, '1,0,1\n0,1,-1\n')
  const yaml = readFileSync(`${out}/config.yaml`, 'utf8')
  writeFileSync(`${out}/config.yaml`, yaml.replace('seed: 11', 'seed: 12'))
  await t.rejects(resume(out), { code: 'CHECKPOINT', message: /the configuration .* changed/ })
})

t.test(
  'the regret monitor holds a run to an earlier one: (C1)–(C4), on any number of workers',
  async t => {
    const folder = t.testdir()
    const comparator = `${folder}/comparator`
    const config = { ...deep, descent: { ...deep.descent, radius: 2 } }
    await train(
      { ...config, descent: { ...config.descent, steps: 30 } },
      { out: comparator, workers: 2 },
    )
    const monitored = { ...config, monitor: { comparator } }
    const one = await train(monitored, { out: `${folder}/one`, workers: 1 })
    const two = await train(monitored, { out: `${folder}/two`, workers: 2 })
    const free = await train(config, { out: `${folder}/free`, workers: 2 })
    t.same(two.regret, one.regret)
    t.equal(one.weights, free.weights, 'watching changes nothing')
    const { steps, averageGap, bound, worst } = one.regret!
    t.equal(steps, 10)
    t.ok(averageGap > 0, 'the comparator is better, on average')
    t.ok(averageGap <= bound, `(C4) ${averageGap} ≤ ${bound}`)
    // Losses of size 1 in float32, summed in float64.
    t.ok(worst.violation < 1e-6, `(C1) ${worst.violation}`)
    t.ok(worst.residual < 1e-5, `(C2) ${worst.residual}`)
    t.ok(worst.projectionGain > -1e-6, `(C3) ${worst.projectionGain}`)
    await t.rejects(train({ ...monitored, seed: 99 }, { out: `${folder}/other` }), {
      code: 'CONFIG',
      message: /starts from other weights/,
    })
  },
)

t.test('a finished run is a network again', async t => {
  const out = `${t.testdir()}/run`
  await train(classes, { out, workers: 2 })
  const { network, parameters, step, config } = await loadNetwork(out)
  t.equal(step, 10)
  t.equal(config.name, 'classes')
  t.equal(network.spec.outputs, 3)
  t.ok(parameters.trained[0]!.displacement.data.some(d => d !== 0))
})

t.test('devices says what each backend sees, and which one auto takes', async t => {
  const reports = await devices()
  t.match(
    reports.map(r => r.backend),
    ['cuda', 'blas', 'tensorflow', 'wasm', 'cpu'],
  )
  t.equal(reports.filter(r => r.preferred).length, 1)
  for (const { available, reason } of reports) t.equal(available, reason === null)
})

t.test(
  'two processes never work in one run folder; the lock of a killed one is taken over',
  async t => {
    const out = `${t.testdir()}/run`
    const config = { ...deep, descent: { ...deep.descent, steps: 2 } }
    const controller = new AbortController()
    controller.abort()
    await train(config, { out, workers: 1, signal: controller.signal })
    t.notOk(existsSync(`${out}/lock`), 'given back at the end')
    writeFileSync(`${out}/lock`, JSON.stringify({ pid: process.ppid, host: hostname() }))
    await t.rejects(resume(out), { code: 'CONFIG', message: /in use by process \d+/ })
    const { pid } = spawnSync(process.execPath, ['--version'])
    writeFileSync(`${out}/lock`, JSON.stringify({ pid, host: hostname() }))
    t.equal((await resume(out, { workers: 1 })).status, 'done')
  },
)

t.test(
  'workers that cannot start end the run with the reason, instead of waiting for ever',
  async t => {
    const out = `${t.testdir()}/run`
    const workerFile = new URL('../fixtures/unborn.worker.mjs', import.meta.url)
    await t.rejects(train(deep, { out, workers: 2, workerFile }), {
      code: 'WORKER',
      message: /broken before it was up/,
    })
  },
)
