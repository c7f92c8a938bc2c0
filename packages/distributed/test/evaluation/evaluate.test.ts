import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { atRadius, attackFrom } from '@saddle/attacks'
import { boxLinf, lossFrom, mlpPasses, useBackend } from '@saddle/core'
import {
  type CriterionSpec,
  type EvaluationReport,
  type EvaluationRequest,
  evaluate,
  train,
} from '@saddle/distributed'
import * as tf from '@tensorflow/tfjs-core'
import t, { type Test } from 'tap'
import { readSafetensors } from '../../dist/checkpoint/safetensors.js'
import { readMlp } from '../../dist/models/read-mlp.js'
import { deep } from '../fixtures/configs.js'
import { type Layers, outputsOf, randomSubject, saveFiles, saveModel } from './subjects.js'

/** Three blocks of examples, the last one short. */
const COUNT = 300
const { layers, points, labels } = randomSubject(COUNT)
const folder = t.testdir()
const files = await saveFiles(folder, layers, points, labels)
const attacks = [
  { kind: 'fgsm' },
  { kind: 'pgd', steps: 4, restarts: 2, start: 'clean-first' },
  { kind: 'uniform', draws: 3 },
]
const request: EvaluationRequest = { ...files, radii: [0.05, 0.2], attacks, seed: 3 }

/** A report without what may differ between equal evaluations. */
function lasting(report: EvaluationReport & { dir: string }): object {
  const { dir: _, seconds: __, workers: ___, attacks, ...rest } = report
  return { ...rest, attacks: attacks.map(({ seconds: _, ...attack }) => attack) }
}

/** What an evaluation leaves: its report and the bytes of its arrays. */
async function left(t: Test, options: object, more: object = {}) {
  const out = join(t.testdir(), 'out')
  const saveAdversarial = join(out, 'adversarial.npy')
  const report = await evaluate({ ...request, out, saveAdversarial, ...more }, options)
  const bytes = (file: string) => readFileSync(join(out, file)).toString('base64')
  return {
    report: lasting(report),
    examples: bytes('examples.safetensors'),
    points: bytes('adversarial.npy'),
  }
}

t.test('figures are those of the attacks called by hand, example by example', async t => {
  const out = join(t.testdir(), 'out')
  const report = await evaluate({ ...request, out }, { backend: 'cpu', workers: 1 })
  const clean = points.map((x, i) => {
    const f = outputsOf(layers, x)
    return f.indexOf(Math.max(...f)) === labels[i]
  })
  t.equal(report.clean.accuracy, clean.filter(Boolean).length / COUNT)
  t.ok(report.clean.accuracy > 0.8 && report.clean.accuracy < 0.9, 'every seventh label is wrong')
  const { tensors } = await readSafetensors(join(out, 'examples.safetensors'))
  const { mlp } = await readMlp(files.model.file, 'relu')
  await useBackend('cpu')
  const byHand = attacks.map(spec => {
    const attack = attackFrom(spec as never)
    return request.radii!.map(radius =>
      tf.tidy(() => {
        const { success, loss } = attack.run(
          mlpPasses(mlp),
          tf.tensor2d(points),
          tf.tensor1d(labels, 'float32'),
          {
            set: atRadius(boxLinf(1), radius),
            loss: lossFrom('cross-entropy'),
            key: { seed: 3, purpose: 'evaluation', step: 0, examples: points.map((_, i) => i) },
          },
        )
        return { success: success.dataSync(), losses: loss.dataSync() }
      }),
    )
  })
  const success = tensors.get('success')!
  t.same(success.shape, [3, 2, COUNT])
  byHand.forEach((radii, a) => {
    const smallest = radii[0]!
    const at = (r: number) => success.data.subarray((2 * a + r) * COUNT, (2 * a + r + 1) * COUNT)
    t.same([...at(0)], [...smallest.success], `attack ${a} at the smallest radius`)
    // At the larger one a point of the smaller that succeeded stays.
    t.ok(at(1).every((flag, i) => flag >= radii[1]!.success[i]!))
    const robust = clean.filter((right, i) => right && smallest.success[i] === 0).length
    t.equal(report.attacks[a]!.radii[0]!.robustAccuracy, robust / COUNT)
    const mean = Array.from(smallest.losses).reduce((sum, v) => sum + v, 0) / COUNT
    t.ok(Math.abs(report.attacks[a]!.radii[0]!.meanLoss - mean) < 1e-5)
  })
  const standing = (r: number) =>
    clean.filter((right, i) =>
      [0, 1, 2].every(a => right && success.data[(2 * a + r) * COUNT + i] === 0),
    ).length
  t.same(
    report.worstCase.map(w => Math.round(w.robustAccuracy * COUNT)),
    [standing(0), standing(1)],
  )
  t.ok(standing(1) < standing(0) && standing(1) > 0, 'the attacks do something, and not all')
  t.match(report.attacks[0], { name: 'fgsm', radii: [{ meanGradientSteps: 1, meanQueries: 2 }] })
  t.equal(report.attacks[1]!.name, 'pgd:steps=4,restarts=2,start=clean-first')
  t.ok(report.attacks[0]!.radii[0]!.fosc !== null)
})

t.test(
  'every worker count, shard and device leaves the same bits, adversarial points too',
  async t => {
    const wasm = await left(t, { backend: 'wasm', workers: 1 })
    t.same(await left(t, { backend: 'wasm', workers: 4, shard: 384 }), wasm)
    t.same(await left(t, { devices: ['process:wasm'], shard: 256 }), wasm)
    const best = await left(t, { workers: 1, shard: 1000 })
    t.same(await left(t, { workers: 2 }), best)
  },
)

t.test('the points that are written are admissible and do what the report says', async t => {
  const out = join(t.testdir(), 'out')
  const file = join(out, 'adversarial.npy')
  const report = await evaluate(
    { ...request, out, saveAdversarial: file, examples: { from: 50, to: 200 } },
    { backend: 'cpu', workers: 1 },
  )
  const bytes = readFileSync(file)
  const header = 10 + bytes.readUInt16LE(8)
  t.match(bytes.toString('latin1', 10, header), /'descr': '<f4'.*'shape': \(2, 150, 6\)/)
  t.equal(header % 64, 0)
  const values = new Float32Array(Uint8Array.from(bytes.subarray(header)).buffer)
  request.radii!.forEach((radius, r) => {
    let standing = 0
    for (let i = 0; i < 150; i++) {
      const x = [...values.subarray((150 * r + i) * 6, (150 * r + i + 1) * 6)]
      const farthest = Math.max(...x.map((v, j) => Math.abs(v - points[50 + i]![j]!)))
      t.ok(farthest <= radius + 1e-6 && Math.min(...x) >= 0 && Math.max(...x) <= 1)
      const f = outputsOf(layers, x)
      const right = f.indexOf(Math.max(...f)) === labels[50 + i]
      const clean = outputsOf(layers, points[50 + i]!)
      if (right && clean.indexOf(Math.max(...clean)) === labels[50 + i]) standing++
    }
    t.equal(report.worstCase[r]!.robustAccuracy, standing / 150)
  })
})

/** What the interrupted ones are to come to. */
let whole: Awaited<ReturnType<typeof left>>

t.test('an evaluation that was stopped goes on to the same bits', async t => {
  whole = await left(t, { backend: 'cpu', workers: 1 })
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
  const options = { backend: 'cpu', workers: 1 }
  const script = fileURLToPath(new URL('../fixtures/evaluate.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify({ request: again, options })])
  const closed = once(child, 'close')
  const state = join(out, 'state')
  const isAtWork = () => existsSync(state) && readdirSync(state).some(file => /^0-/.test(file))
  while (!isAtWork() && child.exitCode === null)
    await new Promise(resolve => setTimeout(resolve, 5))
  child.kill('SIGKILL')
  await closed
  t.equal(child.signalCode, 'SIGKILL')
  const report = await evaluate(again, options)
  t.same(lasting(report), whole.report)
  t.equal(readFileSync(saveAdversarial).toString('base64'), whole.points)
})

t.test('a folder of another evaluation is refused, naming what differs', async t => {
  const out = join(t.testdir(), 'out')
  const options = { backend: 'cpu', workers: 1 }
  const first = { ...request, out, attacks: [{ kind: 'identity' }], examples: { first: 5 } }
  await evaluate(first, options)
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
    await t.rejects(evaluate({ ...first, ...change } as EvaluationRequest, options), {
      code: 'CONFIG',
      message,
    })
  await t.rejects(evaluate(first, { ...options, backend: 'wasm' }), { message: /the backend/ })
  t.same(lasting(await evaluate(first, options)), lasting(await evaluate(first, options)))
})

t.test('a run is evaluated on its own data as its training evaluated it', async t => {
  const run = join(t.testdir(), 'run')
  const attack = { kind: 'fgsm' } as const
  const summary = await train(
    { ...deep, descent: { ...deep.descent, steps: 1 }, evaluation: { attack } },
    { out: run, workers: 1 },
  )
  const options = { backend: 'wasm', workers: 1 }
  const report = await evaluate({ model: { run } }, options)
  t.ok(report.dir.startsWith(join(run, 'evaluations')))
  t.match(report, { set: 'cap', radii: [0.05], loss: 'huber:1', seed: 11 })
  t.match(report.data, { examples: 13, of: 13, source: 'clusters, test part' })
  const { robustAccuracy, cleanAccuracy, robustLoss } = summary.test!
  t.equal(report.clean.accuracy, cleanAccuracy)
  t.equal(report.attacks[0]!.radii[0]!.robustAccuracy, robustAccuracy)
  // All examples are in one block here and were in three shards there: sums may differ in their last bits.
  t.ok(Math.abs(report.attacks[0]!.radii[0]!.meanLoss - robustLoss) < 1e-5)
  const training = await evaluate({ model: { run }, part: 'train' }, options)
  t.equal(training.data.examples, 37)
})

/** f(x) = (x₁, x₂, x₃): the largest coordinate wins. */
const identityLayers: Layers = [
  [
    [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ],
    [0, 0, 0],
  ],
]

t.test('criteria count what they say, on a linear model done by hand', async t => {
  // Class 0 leads class 1 by 0.3 and class 2 by 0.5: within r a lead of 2r can be turned.
  const subject = await saveFiles(t.testdir(), identityLayers, [[0.8, 0.5, 0.3]], [0])
  const fall = async (criterion: CriterionSpec, radii: number[]) => {
    const out = join(folder, JSON.stringify(criterion))
    const report = await evaluate(
      { ...subject, set: 'linf', radii, criterion, attacks: [{ kind: 'pgd', steps: 20 }], out },
      { backend: 'cpu', workers: 1 },
    )
    return report.worstCase.map(w => w.robustAccuracy)
  }
  t.same(await fall({ kind: 'targeted', target: 'next' }, [0.14, 0.16, 0.3]), [1, 0, 0])
  t.same(await fall({ kind: 'targeted', target: 'least-likely' }, [0.24, 0.27]), [1, 0])
  // Cross-entropy at x: log(1 + e^−0.3 + e^−0.5); at radius r the leads shrink by 2r each.
  const loss = (r: number) => Math.log(1 + Math.exp(2 * r - 0.3) + Math.exp(2 * r - 0.5))
  t.same(await fall({ kind: 'loss-above', threshold: loss(0.2) }, [0.19, 0.21]), [1, 0])
  await t.rejects(fall({ kind: 'targeted', target: 3 }, [0.1]), {
    code: 'CONFIG',
    message: /class from 0 to 2/,
  })
})

t.test('masked gradients and sets that meet come with a warning', async t => {
  // Scores so far apart that cross-entropy is flat; random points need no gradient.
  const steep = identityLayers.map(
    ([rows, b]) => [rows.map(row => row.map(v => 1e5 * v)), b] as const,
  )
  const subject = await saveFiles(
    t.testdir(),
    steep,
    [
      [0.9, 0.5, 0.1],
      [0.1, 0.6, 0.5],
    ],
    [0, 1],
  )
  const report = await evaluate(
    {
      ...subject,
      radii: [0.35, 0.45],
      attacks: [
        { kind: 'pgd', start: 'clean' },
        { kind: 'uniform', draws: 200 },
      ],
      out: join(folder, 'masked'),
    },
    { backend: 'cpu', workers: 1 },
  )
  const codes = report.warnings.map(({ code }) => code)
  t.ok(
    ['zero-gradient', 'beaten-without-gradients', 'incompatible'].every(code =>
      codes.includes(code as never),
    ),
    `${codes}`,
  )
  t.match(report.warnings[0]!.text, /exactly 0 at 2 of 2 examples/)
})

t.test('what does not fit is refused before anything is written', async t => {
  const out = join(folder, 'refused')
  const refuse = (change: Partial<EvaluationRequest>, code: string, message: RegExp) =>
    t.rejects(evaluate({ ...request, out, ...change }, { backend: 'cpu', workers: 1 }), {
      code,
      message,
    })
  const dirs = t.testdir({ short: {}, wrong: {}, outside: {} })
  const short = await saveFiles(join(dirs, 'short'), layers, [[0.1, 0.2]], [0])
  const wrong = await saveFiles(join(dirs, 'wrong'), identityLayers, [[0.1, 0.2, 0.3]], [3])
  const outside = await saveFiles(
    join(dirs, 'outside'),
    layers,
    [[0.1, 0.2, 0.3, 0.4, 0.5, 1.6]],
    [0],
  )
  await refuse({ data: short.data }, 'DATA', /has 2 numbers an example, but the model takes 6/)
  await refuse({ ...wrong }, 'DATA', /label of example 0 is 3, but the model has 3 outputs: 0 to 2/)
  await refuse({ data: outside.data }, 'RANGE', /needs inputs in \[0, 1\]/)
  await refuse({ data: undefined }, 'CONFIG', /no examples.*--data X.npy/)
  await refuse({ radii: undefined }, 'CONFIG', /--radii 0.1,0.2/)
  await refuse({ radii: [-0.1] }, 'CONFIG', /a number ≥ 0/)
  await refuse({ attacks: [] }, 'CONFIG', /at least one attack/)
  await refuse({ attacks: [{ kind: 'pdg' }] }, 'CONFIG', /did you mean pgd/)
  await refuse({ loss: 'huber:1' }, 'CONFIG', /takes one output.*--loss cross-entropy/)
  await refuse({ examples: { first: 301 } }, 'CONFIG', /there are 300/)
  await refuse({ part: 'test' }, 'CONFIG', /--part names a part of a run/)
  await refuse({ model: { run: dirs } }, 'CONFIG', /no run folder/)
  await refuse({ model: { file: 'nowhere.safetensors' } }, 'DATA', /no such file/)
  t.notOk(existsSync(out))
})
