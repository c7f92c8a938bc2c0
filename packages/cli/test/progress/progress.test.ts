import { advance, drawBar, lineReporter, type Part, waiting } from '@saddle/cli'
import type { Config, TrainEvent } from '@saddle/distributed'
import t from 'tap'
import { config, paper, records, summary } from '../fixtures/runs.js'

const part: Part = { role: 'main', dir: 'runs/x', label: 'pgd-5' }

const start: TrainEvent = {
  kind: 'start',
  dir: 'runs/x',
  config,
  fromStep: 0,
  workers: 2,
  ranks: 1,
  travels: [],
  backend: 'wasm',
  devices: ['wasm', 'wasm'],
  precision: 'float32',
  cost: { perStep: 6, total: 240 },
  passedOver: [{ name: 'blas', reason: 'not installed' }],
  split: { by: 'neurons', examples: 160_160, neurons: 704 },
  plan: [{ matrix: 'first', form: 'factors', factorBytes: 3 << 20, denseBytes: 12 << 20 }],
}

const free = { kind: 'free', replays: 8, stepSize: 1 } as const

const steps: TrainEvent[] = records().map(record => ({ kind: 'step', record, steps: 40 }))

t.test('the state follows the events', async t => {
  let state = advance(waiting, start)
  t.match(state, { phase: 'training', done: 0, steps: 40, radius: 6, secondsLeft: null })
  state = advance(state, { kind: 'shard', step: 0, done: 1, total: 4 })
  t.equal(state.done, 0.25, 'shards move it inside a step')
  for (const step of steps.slice(0, 10)) state = advance(state, step)
  t.equal(state.done, 10)
  t.equal(state.secondsLeft, 30 * 0.25, '30 steps of 0.25 s are left')
  t.equal(state.distance, 2)
  state = advance(state, { kind: 'evaluate', part: 'test', done: 128, total: 512 })
  t.match(state, { phase: 'evaluating', evaluating: { part: 'test', done: 128 } })
  t.equal(advance(state, { kind: 'done', summary: summary() }).phase, 'done')
})

t.test('the time left follows the latest steps', async t => {
  let state = advance(waiting, start)
  for (const step of steps.slice(0, 20))
    if (step.kind === 'step')
      state = advance(state, { ...step, record: { ...step.record, seconds: 10 } })
  for (const step of steps.slice(20, 39)) state = advance(state, step)
  // The last 20 records: one of 10 s and nineteen of 0.25 s.
  t.equal(state.secondsLeft, (10 + 19 * 0.25) / 20)
})

t.test('a resumed run starts where it was', async t => {
  t.equal(advance(waiting, { ...start, fromStep: 25 }).done, 25)
})

t.test('the bar shows the figures and fits its terminal', async t => {
  const state = [start, ...steps.slice(0, 20)].reduce(advance, waiting)
  const wide = drawBar('pgd-5', state, 100)
  t.match(
    wide,
    /^pgd-5 █+─+ 20\/40 {2}loss 0\.0675 {2}robust 81\.1 % {2}0:05 left {2}‖ΔW‖ 4\.000\/6/,
  )
  t.equal(wide.match(/█/g)?.length, wide.match(/─/g)?.length, 'half done, half full')
  t.match(drawBar('identity', state, 100), /clean 81\.1 %/, 'no attack, no robustness')
  const narrow = drawBar('pgd-5', state, 40)
  t.match(narrow, /20\/40/)
  t.notMatch(narrow, /ΔW/, 'the last figures give way')
  for (let width = 0; width <= 150; width++)
    for (let done = 0; done <= 40; done += 2.5)
      if (drawBar('pgd-5', { ...state, done }, width).length > width) t.fail(`${width}, ${done}`)
})

t.test('the bar says what it is doing before and after the steps', async t => {
  t.match(drawBar('identity', waiting, 80), /preparing/)
  const state = advance(waiting, { kind: 'evaluate', part: 'train', done: 256, total: 512 })
  t.match(drawBar('identity', state, 80), /█ *─.*evaluating on train {2}256\/512/)
})

t.test('a log gets a line every five seconds, and the last one always', async t => {
  const terminal = paper()
  let now = 0
  const reporter = lineReporter(terminal.err, () => now)
  for (const event of [start, ...steps]) {
    now += 250
    reporter.event(part, event)
  }
  const lines = terminal.texts.err.split('\n').filter(line => line.startsWith('pgd-5  step'))
  t.equal(lines.length, 3, 'at the start, after 5 s, and at the end of 10 s')
  t.match(lines[0], /step 1\/40 {2}loss 0\.5000 {2}robust accuracy 50\.0 %/)
  t.match(lines[1], /‖W−W₀‖ 4\.200 of 6/)
  t.match(lines[2], /step 40\/40/)
})

t.test('a log says how the run is set up and what goes wrong', async t => {
  const terminal = paper()
  const reporter = lineReporter(terminal.err, () => 0)
  reporter.event(part, start)
  t.match(terminal.texts.err, /trained with pgd-5: 40 steps, 2 workers on wasm/)
  t.notMatch(terminal.texts.err, /float32/)
  t.match(terminal.texts.err, /at most 6 forward–backward passes an example and step/)
  const phases = [0, 9].map(from => ({ from, attack: from === 0 ? config.attack : free }))
  const attack = { kind: 'schedule', phases } as Config['attack']
  reporter.event(part, { ...start, config: { ...config, attack } })
  t.match(terminal.texts.err, /trained with pgd-5→free-8: 40 steps/)
  reporter.event(part, { ...start, precision: 'tf32' })
  t.match(terminal.texts.err, /on wasm, the attack in tf32, all else in float32/)
  t.match(terminal.texts.err, /passed over blas: not installed/)
  t.match(terminal.texts.err, /split neurons \(.* a step: neurons 704, examples 160,160\)/)
  t.match(terminal.texts.err, /first travel as factors \(factors 3\.0 MiB, dense 12\.0 MiB\)/)
  reporter.event(part, { kind: 'worker-lost', reason: 'exit 137', task: 'shard 3', attempt: 1 })
  t.match(terminal.texts.err, /worker was lost on shard 3 \(exit 137\)/)
})
