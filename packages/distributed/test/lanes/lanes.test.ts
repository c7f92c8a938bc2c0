import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ConfigInput, TrainEvent } from '@saddle/distributed'
import { devices, resume, train } from '@saddle/distributed'
import t from 'tap'
import { classes, deep } from '../fixtures/configs.js'
import { metrics, workersReady } from '../fixtures/lines.js'

const laneFile = new URL('../fixtures/faulty.lane.mjs', import.meta.url)
const reports = await devices()
const missing = (backend: string) => reports.find(r => r.backend === backend)!.reason ?? false

/** The configuration on these devices. */
function on(config: ConfigInput, names: string[], more: object = {}): ConfigInput {
  const { backend: _, ...compute } = config.compute!
  return { ...config, compute: { ...compute, devices: names, ...more } }
}

/** Half the steps: processes take their time to come up. */
function short(config: ConfigInput): ConfigInput {
  return { ...config, descent: { ...config.descent, steps: 5 } }
}

/** Factors of 10 examples at a time: four windows, summed densely. */
const windows: ConfigInput = { ...deep, compute: { ...deep.compute, window: 4 * 256 * 10 } }

const CASES: Record<string, [backend: string, config: ConfigInput, devices: string[]]> = {
  'deep on one process': ['wasm', deep, ['process:wasm']],
  'windows on two and a thread': ['wasm', windows, ['process:wasm', 'wasm', 'process:wasm']],
  'classes on two': ['cpu', classes, ['process:cpu', 'process:cpu']],
  'deep on one and a thread': ['blas', deep, ['blas', 'process:blas']],
}

for (const [name, [backend, config, names]] of Object.entries(CASES))
  t.test(`${name}: the bits of threads on ${backend}`, { skip: missing(backend) }, async t => {
    const folder = t.testdir()
    // Processes always split the examples.
    const compute = { ...config.compute, backend, split: 'examples' as const }
    const threads = await train(short({ ...config, compute }), { out: `${folder}/threads` })
    const out = `${folder}/own`
    const summary = await train(short(on(config, names)), { out })
    t.equal(summary.weights, threads.weights)
    t.same([summary.train, summary.test], [threads.train, threads.test])
    t.same([summary.workers, summary.backend], [names.length, backend])
    t.same(metrics(out), metrics(`${folder}/threads`))
    const processes = workersReady(out).flatMap(({ pid }) => pid ?? [])
    t.equal(new Set(processes).size, names.filter(id => id.startsWith('process:')).length)
    t.notOk(processes.includes(process.pid))
  })

t.test('processes that are killed, hang or run out of memory change no bit', async t => {
  const folder = t.testdir({ clean: {}, faults: {} })
  const names = ['process:wasm', 'process:wasm']
  const config = short(on(deep, names, { deadline: 20 }))
  const clean = await train(config, { out: `${folder}/clean/run` })
  const faults = `${folder}/faults/list`
  mkdirSync(faults)
  for (const name of ['kill-0', 'stop-1', 'memory-2', 'card-3'])
    writeFileSync(`${faults}/${name}`, '')
  process.env.SADDLE_TEST_FAULTS = faults
  const lost: string[] = []
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'worker-lost') lost.push(event.reason)
  }
  const out = `${folder}/faults/run`
  const summary = await train(config, { out, laneFile, heapMiB: 128, onEvent })
  t.equal(summary.weights, clean.weights)
  t.same(metrics(out), metrics(`${folder}/clean/run`))
  t.same(readdirSync(faults), [], 'every fault happened')
  t.ok(lost.length >= 4, lost.join('; '))
  t.match(lost.join('\n'), /process \d+ of device process:wasm was killed \(SIGKILL\)/)
  t.match(lost.join('\n'), /no sign of life for 20 s \(compute\.deadline\) and was killed/)
  t.match(lost.join('\n'), /aborted, perhaps for want of memory.*heap/s)
  t.match(lost.join('\n'), /OOM when allocating/)
})

t.test(
  'a task that ends every process ends the run with its last words, and resume goes on',
  async t => {
    const folder = t.testdir({ faults: {} })
    process.env.SADDLE_TEST_FAULTS = `${folder}/faults`
    const out = `${folder}/run`
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'checkpoint' && event.step === 4)
        writeFileSync(`${folder}/faults/always`, '')
    }
    const config = on(deep, ['process:wasm', 'process:wasm'])
    await t.rejects(train(config, { out, laneFile, onEvent }), {
      code: 'WORKER',
      message: /failed 4 times.*exited with code 3; its last words: out of luck.*resume/s,
    })
    const [clean, resumed] = [await train(deep, { out: `${folder}/clean` }), await resume(out)]
    t.equal(resumed.weights, clean.weights)
  },
)

t.test('processes do not split neurons', async t => {
  const out = `${t.testdir()}/run`
  const config = on(classes, ['process:cpu'], { split: 'neurons' })
  await t.rejects(train(config, { out }), {
    code: 'CONFIG',
    message: /neurons needs workers in threads/,
  })
  t.notOk(existsSync(out))
})

t.test('no process outlives a run that ends, nor one whose parent is killed', async t => {
  const folder = t.testdir()
  const config = on(deep, ['process:wasm', 'process:wasm'])
  await train(config, { out: `${folder}/ended` })
  const script = fileURLToPath(new URL('../fixtures/run.mjs', import.meta.url))
  const long = { ...config, descent: { ...deep.descent, steps: 5000 } }
  const parent = spawn(process.execPath, [script, `${folder}/killed`, JSON.stringify(long)])
  t.teardown(() => parent.kill('SIGKILL'))
  const up = () =>
    existsSync(`${folder}/killed/log.jsonl`) ? workersReady(`${folder}/killed`).length : 0
  t.ok(await within(60, () => up() === 2), 'both processes came up')
  const pids = ['ended', 'killed'].flatMap(run => workersReady(`${folder}/${run}`).map(w => w.pid))
  t.ok(pids.slice(2).every(isAlive), 'and were at work')
  // Stuck as can be: only the kernel can end one of them.
  if (process.platform === 'linux') process.kill(pids[2] as number, 'SIGSTOP')
  parent.kill('SIGKILL')
  t.equal(pids.length, 4)
  t.ok(await within(10, () => !pids.some(isAlive)), 'all of them are gone')
})

/** A process that has ended but that nobody asked about yet still has a number: on Linux its state is Z. */
function isAlive(pid: unknown): boolean {
  try {
    process.kill(pid as number, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch (error) {
    return process.platform !== 'linux' && (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

/** True as soon as `condition` holds, false if it doesn't in time. */
async function within(seconds: number, condition: () => boolean): Promise<boolean> {
  const end = Date.now() + 1000 * seconds
  while (!condition()) {
    if (Date.now() > end) return false
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  return true
}
