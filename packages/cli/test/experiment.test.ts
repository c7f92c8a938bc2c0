import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { baselineOf, resumeExperiment, runExperiment, type Trainer } from '@saddle/cli'
import { SaddleError } from '@saddle/core'
import type { Config, RunSummary } from '@saddle/distributed'
import t from 'tap'
import { config, identity, summary } from './fixtures/runs.js'

/** Writes what the real trainer writes, and remembers what it was asked for; `stopIn` ends a part early, once. */
function fakeTrainer({ stopIn }: { stopIn?: 'baseline' | 'main' } = {}) {
  const calls: string[] = []
  let pending = stopIn
  async function finish(dir: string, attack: Config['attack']): Promise<RunSummary> {
    const role = dir.endsWith('baseline') ? 'baseline' : 'main'
    const status = pending === role ? 'stopped' : 'done'
    if (status === 'stopped') pending = undefined
    const result = summary({ status, attack, stepsDone: status === 'done' ? 40 : 7 })
    await writeFile(join(dir, 'summary.json'), JSON.stringify(result))
    return result
  }
  const trainer: Trainer = {
    async train(given, { out, onEvent }) {
      const resolved = given as Config
      calls.push(`train ${resolved.attack.kind}`)
      await mkdir(out, { recursive: true })
      await writeFile(join(out, 'config.yaml'), JSON.stringify(resolved))
      const result = await finish(out, resolved.attack)
      onEvent?.({ kind: 'done', summary: result })
      return result
    },
    async resume(dir) {
      const role = dir.endsWith('baseline') ? identity : config.attack
      calls.push(`resume ${role.kind}`)
      return finish(dir, role)
    },
  }
  return { trainer, calls }
}

t.test('the baseline is the same configuration under the identity attack', async t => {
  const twin = baselineOf(config)
  t.match(twin, { attack: { kind: 'identity' }, evaluation: { baseline: false } })
  t.same(twin?.evaluation.attack, config.evaluation.attack, 'measured by the same attack')
  t.same({ ...twin, ...pick(config) }, config, 'nothing else differs')
  t.equal(baselineOf({ ...config, attack: identity }), null, 'a baseline needs none')
  t.equal(baselineOf({ ...config, evaluation: { ...config.evaluation, baseline: false } }), null)
})

/** What may differ between a run and its baseline. */
function pick({ name, attack, evaluation, monitor }: Config) {
  return { name, attack, evaluation, monitor }
}

t.test('an experiment trains the baseline first and reports both', async t => {
  const dir = join(t.testdir(), 'run')
  const { trainer, calls } = fakeTrainer()
  const seen: string[] = []
  const result = await runExperiment(trainer, config, dir, {
    onEvent: (part, event) => seen.push(`${part.role} ${part.label} ${event.kind}`),
  })
  t.same(calls, ['train identity', 'train pgd'])
  t.same(seen, ['baseline identity done', 'main pgd-5 done'])
  t.equal(result.status, 'done')
  t.equal(result.baseline?.attack.kind, 'identity')
  t.equal(result.main?.attack.kind, 'pgd')
  t.ok(existsSync(join(dir, 'baseline', 'config.yaml')), 'the baseline is a run folder of its own')
})

t.test('without a baseline it is one training', async t => {
  const dir = join(t.testdir(), 'run')
  const { trainer, calls } = fakeTrainer()
  const alone = { ...config, evaluation: { ...config.evaluation, baseline: false } }
  const result = await runExperiment(trainer, alone, dir)
  t.same(calls, ['train pgd'])
  t.equal(result.baseline, null)
  t.notOk(existsSync(join(dir, 'experiment.yaml')))
})

t.test('stopped in the baseline, it ends there and resumes there', async t => {
  const dir = join(t.testdir(), 'run')
  const { trainer, calls } = fakeTrainer({ stopIn: 'baseline' })
  const stopped = await runExperiment(trainer, config, dir)
  t.match(stopped, { status: 'stopped', main: null, baseline: { stepsDone: 7 } })
  const result = await resumeExperiment(trainer, dir)
  t.same(calls, ['train identity', 'resume identity', 'train pgd'])
  t.equal(result.status, 'done')
})

t.test('stopped in the main training, the baseline is not trained again', async t => {
  const dir = join(t.testdir(), 'run')
  const { trainer, calls } = fakeTrainer({ stopIn: 'main' })
  const stopped = await runExperiment(trainer, config, dir)
  t.match(stopped, { status: 'stopped', main: { stepsDone: 7 }, baseline: { status: 'done' } })
  await resumeExperiment(trainer, dir)
  t.same(calls, ['train identity', 'train pgd', 'resume pgd'])
  calls.length = 0
  const again = await resumeExperiment(trainer, dir)
  t.same(calls, [], 'what is done is only reported')
  t.equal(again.main?.status, 'done')
})

t.test('a run that a program started is resumed as it is', async t => {
  const dir = t.testdir({ 'config.yaml': '' })
  const { trainer, calls } = fakeTrainer()
  const result = await resumeExperiment(trainer, dir)
  t.same(calls, ['resume pgd'])
  t.match(result, { status: 'done', baseline: null })
})

t.test('a folder that holds a run is not trained over', async t => {
  const dir = t.testdir({ 'config.yaml': '' })
  const { trainer, calls } = fakeTrainer()
  await t.rejects(runExperiment(trainer, config, dir), { code: 'CONFIG', message: /resume/ })
  t.same(calls, [])
})

t.test('bad input leaves no folder behind', async t => {
  const dir = join(t.testdir(), 'run')
  const { trainer } = fakeTrainer()
  const bad = new SaddleError('INCOMPATIBLE', 'The sets meet.')
  const refusing: Trainer = { ...trainer, train: () => Promise.reject(bad) }
  await t.rejects(runExperiment(refusing, config, dir), bad)
  t.notOk(existsSync(dir))
  t.match(await runExperiment(trainer, config, dir), { status: 'done' }, 'and it can be used again')
})

t.test('a damaged summary is an error that says what to do', async t => {
  const dir = join(t.testdir(), 'run')
  const { trainer } = fakeTrainer()
  await runExperiment(trainer, config, dir)
  await writeFile(join(dir, 'summary.json'), '{"status": "do')
  await t.rejects(resumeExperiment(trainer, dir), { code: 'CHECKPOINT', message: /damaged/ })
  await t.rejects(resumeExperiment(trainer, dir), SaddleError)
})
