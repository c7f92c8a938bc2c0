import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type CriterionSpec, type EvaluationRequest, evaluate, train } from '@saddle/distributed'
import t from 'tap'
import { readSafetensors } from '../../dist/checkpoint/safetensors.js'
import { writeNpy } from '../../dist/run/npy.js'
import { deep } from '../fixtures/configs.js'
import {
  alone,
  COUNT,
  type Layers,
  leftBy,
  predictionOf,
  saveFiles,
  standardRequest,
} from './subjects.js'

const folder = t.testdir()
const { layers, points, labels, request } = await standardRequest(folder)

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
      alone,
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
    alone,
  )
  const codes = report.warnings.map(({ code }) => code)
  t.ok(
    ['zero-gradient', 'masked-gradients', 'incompatible'].every(code =>
      codes.includes(code as never),
    ),
    `${codes}`,
  )
  t.match(report.warnings[0]!.message, /exactly 0 at 2 of 2 examples/)
})

t.test('walks begin at the points of a file, for the examples that are chosen', async t => {
  const dir = t.testdir()
  const [all, few] = [join(dir, 'all.npy'), join(dir, 'few.npy')]
  // For every example the next one that the network takes for another class.
  const predicted = points.map(x => predictionOf(layers, x))
  const starts = labels.map((label, i) => {
    const at = predicted.findIndex((named, j) => j > i && named !== label)
    return points[at < 0 ? predicted.findIndex(named => named !== label) : at]!
  })
  const list = [1, 2, 3, 5, 16, 69, 299]
  await writeNpy(all, [COUNT, 2, 3], Float32Array.from(starts.flat()))
  await writeNpy(few, [list.length, 6], Float32Array.from(list.flatMap(i => starts[i]!)))
  // A short walk and no random point worth the name: what it begins at is in the file.
  const walk = { kind: 'boundary', steps: 40, statistics: 5, draws: 1, blends: 1 }
  const attacks = [
    { kind: 'fgsm' },
    { kind: 'worst-case', attacks: [{ kind: 'fgsm' }, walk] },
    walk,
  ]
  const subject = { ...request, set: 'box-l2', radii: [0.3], attacks } as const
  const ask = (out: string, change: Partial<EvaluationRequest>, workers = 1) =>
    leftBy({ ...subject, ...change }, join(dir, out), { backend: 'cpu', workers })
  const whole = await ask('whole', { startingPoints: all }, 2)
  t.match(whole.report, { startingPoints: { source: all, sha256: /^[0-9a-f]{64}$/ } })
  const normsIn = async (out: string) => {
    const { tensors } = await readSafetensors(join(dir, out, 'examples.safetensors'))
    const { data, shape } = tensors.get('norm')!
    return [...data.subarray(2 * shape[1]!)]
  }
  const norms = await normsIn('whole')
  const distant = norms.filter((norm, i) => {
    const start = Math.hypot(...points[i]!.map((v, j) => v - starts[i]![j]!))
    return !(norm <= start * (1 + 1e-6))
  })
  t.same(distant, [], 'every example is found, no farther than its point')
  await ask('few', { examples: { list }, startingPoints: few })
  t.same(
    await normsIn('few'),
    list.map(i => norms[i]),
    'a row for each of the chosen ones',
  )
  const refuse = (code: string, message: RegExp, change: Partial<EvaluationRequest>, out = 'no') =>
    t.rejects(ask(out, change), { code, message })
  await refuse('CONFIG', /in --starting-points \(.* then, .* now\)/, {}, 'whole')
  await refuse('CONFIG', /No attack of the list \(fgsm\) begins.*add boundary/, {
    attacks: [{ kind: 'fgsm' }],
    startingPoints: all,
  })
  await refuse('DATA', /each of the \d+ examples.*or of the 9 that --examples names, got 7/, {
    examples: { first: 9 },
    startingPoints: few,
  })
  await writeNpy(few, [2, 6], new Float32Array(12).fill(1.5))
  const two = { examples: { first: 2 }, startingPoints: few }
  await refuse('RANGE', /few.npy: .*in \[0, 1\].*got 1.5 at coordinate 0 of row 0/, two)
  await writeNpy(few, [2, 5], new Float32Array(10))
  await refuse('SHAPE', /few.npy: expected 6 numbers an example.*got 5 in row 0/, two)
  t.notOk(existsSync(join(dir, 'no')))
})

t.test('what does not fit is refused before anything is written', async t => {
  const out = join(folder, 'refused')
  const refuse = (change: Partial<EvaluationRequest>, code: string, message: RegExp) =>
    t.rejects(evaluate({ ...request, out, ...change }, alone), {
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
  await refuse({ examples: { first: COUNT + 1 } }, 'CONFIG', new RegExp(`there are ${COUNT}`))
  await refuse({ part: 'test' }, 'CONFIG', /--part names a part of a run/)
  await refuse({ model: { run: dirs } }, 'CONFIG', /no run folder/)
  await refuse({ model: { file: 'nowhere.safetensors' } }, 'DATA', /no such file/)
  t.notOk(existsSync(out))
})
