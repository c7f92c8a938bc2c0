import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type EvaluationRequest, evaluate } from '@saddle/distributed'
import t from 'tap'
import { alone, type Layers, lasting, leftBy, saveModel, standardRequest } from './subjects.js'

const folder = t.testdir()
const { layers, files, request } = await standardRequest(folder)
/** What the interrupted ones are to come to. */
const whole = await leftBy(request, join(folder, 'whole'), alone)

t.test('an evaluation that was stopped goes on to the same bits', async t => {
  const out = join(t.testdir(), 'out')
  const controller = new AbortController()
  const onEvent = (event: { kind: string; attack?: string }) => {
    if (event.kind === 'progress' && event.attack?.startsWith('pgd')) controller.abort()
  }
  const saveAdversarial = join(out, 'adversarial.npy')
  const options = { backend: 'cpu', workers: 2 }
  await t.rejects(
    evaluate(
      { ...request, out, saveAdversarial },
      { ...options, signal: controller.signal, onEvent },
    ),
    { code: 'STOPPED', message: /of 9 blocks.*same command goes on/ },
  )
  t.notOk(existsSync(join(out, 'evaluation.json')))
  const finished: number[] = []
  const report = await evaluate(
    { ...request, out, saveAdversarial },
    { ...options, onEvent: event => event.kind === 'start' && finished.push(event.finished) },
  )
  t.ok(finished[0]! >= 6 && finished[0]! < 12, `${finished} of 12 blocks were done`)
  t.same(lasting(report), whole.report)
  t.equal(readFileSync(saveAdversarial).toString('base64'), whole.points)
  t.equal(readFileSync(join(out, 'examples.safetensors')).toString('base64'), whole.examples)
})

t.test('an evaluation that was killed goes on to the same bits', async t => {
  const out = join(t.testdir(), 'out')
  const saveAdversarial = join(out, 'adversarial.npy')
  const again = { ...request, out, saveAdversarial }
  const script = fileURLToPath(new URL('../fixtures/evaluate.mjs', import.meta.url))
  const child = spawn(process.execPath, [
    script,
    JSON.stringify({ request: again, options: alone }),
  ])
  const closed = once(child, 'close')
  const state = join(out, 'state')
  const isAtWork = () => existsSync(state) && readdirSync(state).some(file => /^0-/.test(file))
  while (!isAtWork() && child.exitCode === null)
    await new Promise(resolve => setTimeout(resolve, 5))
  child.kill('SIGKILL')
  await closed
  t.equal(child.signalCode, 'SIGKILL')
  const report = await evaluate(again, alone)
  t.same(lasting(report), whole.report)
  t.equal(readFileSync(saveAdversarial).toString('base64'), whole.points)
})

t.test('a folder of another evaluation is refused, naming what differs', async t => {
  const out = join(t.testdir(), 'out')
  const first = { ...request, out, attacks: [{ kind: 'identity' }], examples: { first: 5 } }
  await evaluate(first, alone)
  const other = join(folder, 'other.safetensors')
  const [[rows, b], top] = layers as [Layers[number], Layers[number]]
  await saveModel(other, [[rows, b.map((v, i) => (i === 0 ? v + 0.1 : v))], top])
  const cases = [
    [{ radii: [0.05, 0.3] }, /differs in --radii \(\[0.05,0.2\] then, \[0.05,0.3\] now\)/],
    [{ attacks: [{ kind: 'fgsm' }], seed: 4 }, /--attacks .*; --seed \(3 then, 4 now\)/],
    [{ model: { file: other, activation: 'relu' } }, /the weights of the model/],
    [{ model: { ...files.model, activation: 'tanh' } }, /the weights of the model/],
    [{ examples: { first: 6 } }, /--examples/],
    [{ set: 'linf' }, /--set \("box-linf" then, "linf" now\)/],
  ] as const
  for (const [change, message] of cases)
    await t.rejects(evaluate({ ...first, ...change } as EvaluationRequest, alone), {
      code: 'CONFIG',
      message,
    })
  await t.rejects(evaluate(first, { ...alone, backend: 'wasm' }), { message: /the backend/ })
  t.same(lasting(await evaluate(first, alone)), lasting(await evaluate(first, alone)))
})
