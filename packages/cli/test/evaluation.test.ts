import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  createEvaluationReporter,
  drawEvaluationBar,
  drawGallery,
  drawRobustness,
  evaluationNote,
  evaluationTable,
  main,
} from '@saddle/cli'
import type { EvaluationReport, Gallery } from '@saddle/distributed'
import { decode } from 'fast-png'
import t from 'tap'
import { paper } from './fixtures/runs.js'
import { xmlProblem } from './fixtures/xml.js'

const bin = fileURLToPath(new URL('../bin/saddle.js', import.meta.url))

async function saddle(...args: string[]) {
  const terminal = paper()
  const status = await main(args, terminal)
  return { status, stdout: terminal.texts.out, stderr: terminal.texts.err }
}

/** An NPY file of float32 numbers, by hand. */
function npy(shape: readonly number[], values: readonly number[]): Buffer {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`.padEnd(117)
  return Buffer.concat([
    Buffer.from(`\x93NUMPY\x01\x00\x76\x00${text}\n`, 'latin1'),
    Buffer.from(Float32Array.from(values).buffer),
  ])
}

/** f(x) = (Σ of the left column, Σ of the right column) of images of 2 × 2: which side is brighter? */
const header = JSON.stringify({
  '0.weight': { dtype: 'F32', shape: [2, 4], data_offsets: [0, 32] },
})
const model = Buffer.concat([
  Buffer.from(BigUint64Array.of(BigInt(header.length)).buffer),
  Buffer.from(header),
  Buffer.from(Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1).buffer),
])
const COUNT = 300
/** The left side leads by 0.1 (i = 0), 0.2, … 1.0, 0.1, …; it falls to a radius above a quarter of that. */
const lead = (i: number) => (1 + (i % 10)) / 10
const images = Array.from({ length: COUNT }, (_, i) => [
  0.5 + lead(i) / 2,
  0.5,
  0.5,
  0.5 - lead(i) / 2,
])

const folder = t.testdir()
await writeFile(join(folder, 'model.safetensors'), model)
await writeFile(join(folder, 'x.npy'), npy([COUNT, 2, 2], images.flat()))
await writeFile(join(folder, 'flat.npy'), npy([COUNT, 4], images.flat()))
await writeFile(
  join(folder, 'y.npy'),
  npy(
    [COUNT],
    images.map(() => 0),
  ),
)
const subject = (x = 'x.npy') => [
  '--model',
  join(folder, 'model.safetensors'),
  '--data',
  join(folder, x),
  '--labels',
  join(folder, 'y.npy'),
]

t.test('evaluate prints what is left standing, and writes it', async t => {
  const out = join(folder, 'evaluation')
  const adversarial = join(folder, 'adversarial.npy')
  const asked = 'evaluate --radii 2/16,0.05 --attacks fgsm,pgd:steps=3,stepSize=0.5 --set linf'
  const written = ['--workers', '1', '--out', out, '--save-adversarial', adversarial]
  const flags = [...asked.split(' '), ...subject(), ...written]
  const { status, stdout, stderr } = await saddle(...flags)
  t.equal(status, 0, stderr)
  // The score of a side moves by 2r against 2r: leads below 4r fall, 0.1 at r = 0.05 and up to 0.5 (a tie) at 0.125.
  t.match(stdout, /at radius +0\.05 +0\.125/)
  t.match(stdout, /^fgsm +\d\d\.0 % +\d\d\.0 % /m)
  t.match(stdout, /^worst case +\d\d\.0 % +\d\d\.0 %/m)
  t.match(stdout, /300 examples, 100\.0 % right without an attack/)
  t.match(stdout, /upper bounds/)
  t.match(
    stderr,
    /model\.safetensors: 4 → 2, linear\n {2}fgsm, pgd:steps=3,stepSize=0\.5 in linf at 0\.05, 0\.125 on 300/,
  )
  const report: EvaluationReport = JSON.parse(readFileSync(join(out, 'evaluation.json'), 'utf8'))
  const falls = (r: number) => images.filter((_, i) => lead(i) > 4 * r + 1e-6).length / COUNT
  t.ok(Math.abs(report.worstCase[0]!.robustAccuracy - falls(0.05)) <= 0.1)
  t.match(readFileSync(join(out, 'robustness.svg'), 'utf8'), /^<svg /)
  t.match(readFileSync(adversarial).toString('latin1', 0, 128), /'shape': \(2, 300, 2, 2\)/)
  const again = await saddle(...flags, '--json', '--quiet')
  t.equal(again.stderr, '')
  t.same(JSON.parse(again.stdout).worstCase, report.worstCase)
  const other = await saddle('evaluate', ...subject(), '--radii', '0.1', '--out', out)
  t.equal(other.status, 2)
  t.match(other.stderr, /holds another evaluation: it differs in --set .*--radii .*--attacks/)
})

t.test('wrong usage of evaluate and gallery exits with 2 and says what to do', async t => {
  const asking = (flags: string) => ['evaluate', ...subject(), ...flags.split(' ').filter(Boolean)]
  const cases = [
    [['evaluate'], /Name one model: a RUN folder, or --model/],
    [['evaluate', folder], /is no run folder/],
    [['evaluate', 'runs/x', '--model', 'y'], /Name one model/],
    [['evaluate', 'runs/x', '--activation', 'relu'], /--activation is for --model/],
    [['evaluate', '--model', 'x', '--data', 'y'], /--data and --labels belong together/],
    [['evaluate', 'runs/x', '--scale', '255'], /--scale divides/],
    [asking('--attacks pdg'), /did you mean pgd\?/],
    [asking('--attacks pgd --attacks-file x'), /not both/],
    [asking(''), /--radii 0\.1,0\.2/],
    [asking('--radii -1'), /Radius "-1": expected a number ≥ 0/],
    [asking('--set linff'), /Allowed choices are linf/],
    [asking('--seed -1'), /whole number, 0 or above/],
    [asking('--radii 0.1 --activation rleu'), /rleu.*relu/],
    [asking('--radii 0.1 --attacks pgd --starting-points x.npy'), /No attack of the list \(pgd\)/],
    [asking('--radii 0.1 --criterion x'), /targeted:next/],
    [['gallery', ...subject(), '--radii', '0.1,0.2'], /shows one radius/],
    [['gallery', ...subject(), '--radii', '0.1', '--out', 'x.png'], /ends in \.svg/],
    [['gallery', ...subject('flat.npy'), '--radii', '0.1'], /--image 28x28/],
    [['gallery', ...subject(), '--radii', '0.1', '--image', '3x3'], /not images of shape 3x3/],
    [['gallery', ...subject(), '--radii', '0.1', '--image', 'x'], /Expected a shape/],
  ] as const
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await saddle(...args)
    t.equal(status, 2, args.join(' '))
    t.match(stderr, message)
    t.equal(stdout, '')
  }
})

t.test('as a process: a signal stops an evaluation, and the same command goes on', async t => {
  const out = join(t.testdir(), 'out')
  // A million random points take longer than it takes to notice the signal.
  const args = ['evaluate', ...subject(), '--radii', '0.1', '--workers', '1', '--backend', 'cpu']
  const slow = [...args, '--attacks', 'fgsm,pgd:steps=300000', '--out', out]
  const child = spawn(process.execPath, [bin, ...slow], { env: { ...process.env, NO_COLOR: '1' } })
  let stderr = ''
  let asked = false
  child.stderr.on('data', chunk => {
    stderr += chunk
    if (asked || !/^pgd/m.test(stderr)) return
    asked = true
    child.kill('SIGINT')
  })
  const [code] = await once(child, 'close')
  t.equal(code, 75, stderr)
  t.match(stderr, /stopping; what is finished is kept/)
  t.match(stderr, /^stopped: .* 2 of 4 blocks.*The same command goes on\.$/m)
  t.ok(existsSync(join(out, 'state', '0-0.safetensors')))
  t.notOk(existsSync(join(out, 'evaluation.json')))
  // Another list of attacks is another evaluation.
  const other = await saddle(...args, '--attacks', 'fgsm', '--out', out)
  t.match(other.stderr, /differs in --attacks/)
})

/** Eight grey images and one attack that did for some. */
function exhibition(channels: 1 | 3): Gallery {
  const size = 4 * channels
  return {
    height: 2,
    width: 2,
    channels,
    model: 'm.safetensors: 4 → 2, relu & more',
    set: 'box-linf',
    radius: 0.25,
    attacks: ['pgd'],
    dir: '',
    items: Array.from({ length: 9 }, (_, i) => ({
      example: i,
      label: '3',
      prediction: i === 1 ? '8' : '3',
      adversarialPrediction: i % 2 === 0 ? '8' : '3',
      success: i % 2 === 0,
      attack: 'pgd',
      original: Float32Array.from({ length: size }, (_, k) => k / size),
      adversarial: Float32Array.from({ length: size }, (_, k) => k / size + (k === 0 ? 0.25 : 0)),
    })),
  }
}

t.test(
  'a gallery holds the very pixels, and says how much perturbations are magnified',
  async t => {
    for (const channels of [1, 3] as const) {
      const svg = drawGallery(exhibition(channels))
      t.equal(xmlProblem(svg), null)
      const pngs = [...svg.matchAll(/base64,([^"]+)"/g)].map(([, data]) =>
        decode(Buffer.from(data!, 'base64')),
      )
      t.equal(pngs.length, 27)
      const size = 4 * channels
      const grey = (share: number) => Math.round(255 * share)
      const ramp = Array.from({ length: size }, (_, k) => Math.fround(k / size))
      t.match(pngs[0], { width: 2, height: 2, channels })
      t.same([...pngs[0]!.data], ramp.map(grey))
      // The largest change, 0.25, is white: twice 0.25 above the middle.
      t.same(
        [...pngs[1]!.data],
        ramp.map((_, k) => (k === 0 ? 255 : grey(0.5))),
      )
      t.same(
        [...pngs[2]!.data],
        ramp.map((v, k) => grey(k === 0 ? 0.25 : v)),
      )
      for (const words of [
        '× 2, grey is 0',
        '5 of 9 fall',
        'read as 8',
        '3 read as 8',
        'relu &amp; more',
      ])
        t.ok(svg.includes(words), words)
    }
  },
)

const report: EvaluationReport = {
  model: { source: 'm', description: 'd', sha256: '', inputs: 2, outputs: 2 },
  data: { source: 'x', sha256: '', examples: 100, of: 200, dimension: 2 },
  set: 'box-linf',
  radii: [0.1, 0.2],
  loss: 'cross-entropy',
  criterion: { kind: 'misclassification' },
  seed: 0,
  clean: { accuracy: 0.9, loss: 0.1, adversarial: 0.1 },
  attacks: ['fgsm', 'pgd:steps=40'].map((name, a) => ({
    name,
    attack: { kind: 'fgsm' },
    aim: 'fixed-radius',
    norms: a === 1 ? [0.01, 0.02, 0.03, 0.04, 0.05] : null,
    seconds: 75,
    radii: [0.1, 0.2].map(radius => ({
      radius,
      robustAccuracy: 0.8 - radius - a / 10,
      meanLoss: 1.5,
      distance: null,
      meanQueries: 41,
      maxQueries: 41,
      meanGradientSteps: 40,
      fosc: null,
    })),
  })),
  worstCase: [
    { radius: 0.1, robustAccuracy: 0.6 },
    { radius: 0.2, robustAccuracy: 0.5 },
  ],
  warnings: [],
  remarks: [],
  backend: 'cpu',
  workers: 1,
  seconds: 150,
  saddle: '0',
  node: 'v20',
}

t.test('the table and the picture have every attack, every radius and the worst case', async t => {
  const table = evaluationTable(report)
  t.match(table, /fgsm +70\.0 % +60\.0 % +1\.500 +41 +1:15/)
  t.match(table, /pgd:steps=40 +60\.0 % +50\.0 %/)
  t.match(table, /worst case +60\.0 % +50\.0 %/)
  t.equal(table.match(/^─+$/gm)!.length, 3)
  const note = evaluationNote(report)
  t.match(note, /100 of 200 examples, 90\.0 % right/)
  t.match(note, /pgd:steps=40 needed 0\.0300 \(median; 0\.0100 to 0\.0500\)/)
  t.match(note, /standard error of up to 5\.0 %/)
  const svg = drawRobustness(report)
  t.equal(xmlProblem(svg), null)
  for (const words of ['fgsm', 'pgd:steps=40', 'worst case', 'radius, box-linf', 'robust accuracy'])
    t.ok(svg.includes(`>${words}</text>`), words)
  const one = { ...report, attacks: report.attacks.slice(0, 1) }
  t.notMatch(drawRobustness(one), /worst case/)
  t.notMatch(evaluationTable(one), /worst case/)
})

t.test('progress tells the share and the time that is left', async t => {
  const event = { kind: 'progress', attack: 'pgd', done: 60, begun: 20, total: 100 } as const
  t.equal(
    drawEvaluationBar(event, 10, 80),
    `pgd ${'█'.repeat(18)}${'─'.repeat(12)} 60 %  0:10 left`,
  )
  t.equal(
    drawEvaluationBar({ ...event, done: 20 }, 10, 80).endsWith('20 %'),
    true,
    'nothing to go by yet',
  )
  t.ok(drawEvaluationBar(event, 10, 20).length <= 20)
  const terminal = paper()
  let now = 0
  const reporter = createEvaluationReporter(terminal, false, () => now)
  for (const done of [21, 40, 60, 100]) {
    now += 3000
    reporter.event({ ...event, done })
  }
  reporter.close()
  t.same(terminal.texts.err.trim().split('\n'), ['pgd  21 %', 'pgd  60 %  0:09 left'])
  const silent = paper()
  createEvaluationReporter(silent, true).event(event)
  t.equal(silent.texts.err, '')
})
