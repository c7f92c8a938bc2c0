import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { attackFrom } from '@saddle/attacks'
import {
  boxL2,
  boxLinf,
  currentBackend,
  loadLabelled,
  lossFrom,
  mlpPasses,
  scoped,
  useBackend,
} from '@saddle/core'
import { readMlp } from '@saddle/distributed'
import * as tf from '@tensorflow/tfjs-core'
import { startPython } from './contestants/child.mjs'
import { interleaveRounds } from './contestants/rounds.mjs'
import { timed } from './contestants/timing.mjs'
import { median } from './measure.mjs'

/**
 * Saddle beside Foolbox, torchattacks and ART on the perceptrons of peers/mnist_models.py, one thread each, in turn:
 *
 *     SADDLE_PYTHON=… node benchmarks/mnist-attacks.mjs --models DIR [--examples 1000] [--slow 100] [--rounds 3]
 *
 * Prints a row an attack and model: the share of images that is still right, of attacks for the closest point the median of
 * their l2 distances, and medians of processor and wall-clock seconds; writes results/mnist-attacks.json. On a busy machine only
 * processor time compares. FGSM, BIM and PGD start at the image, so that all compute the same thing.
 */
const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    examples: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    slow: { type: 'string', default: '100' },
    only: { type: 'string', default: '' },
    seconds: { type: 'string', default: '600' },
    names: { type: 'string', default: 'natural,adversarial' },
  },
})
const count = Number(values.examples)
const slow = Math.min(count, Number(values.slow))
/** l∞ of attacks at a fixed radius; l2 within which points found by the others count. */
const RADIUS = { linf: 0.1, l2: 1.5 }
const files = { x: `${values.models}/x-test.npy`, y: `${values.models}/y-test.npy` }

/**
 * What is run: `spec` here; `peer` there, steps in units of the radius; how many examples; which tools have it. C&W takes Adam steps of 0.1
 * from c = 0.01; torchattacks' has no search for c, which is 1.
 */
const ATTACKS = [
  {
    name: 'FGSM',
    spec: { kind: 'fgsm' },
    peer: { kind: 'fgsm' },
    examples: count,
    tools: ['foolbox', 'torchattacks', 'art'],
  },
  {
    name: 'BIM, 10 steps',
    spec: { kind: 'bim', steps: 10, stepSize: 0.2 },
    peer: { kind: 'bim', steps: 10, step_size: 0.2 },
    examples: count,
    tools: ['foolbox', 'torchattacks', 'art'],
  },
  {
    name: 'PGD, 40 steps',
    spec: { kind: 'pgd', steps: 40, stepSize: 1 / 30, start: 'clean', keepBest: false },
    peer: { kind: 'pgd', steps: 40, step_size: 1 / 30 },
    examples: count,
    tools: ['foolbox', 'torchattacks', 'art'],
  },
  {
    name: 'APGD-CE, 100 steps',
    spec: { kind: 'apgd', steps: 100 },
    peer: { kind: 'apgd', steps: 100 },
    examples: count,
    tools: ['torchattacks', 'art'],
  },
  {
    name: 'Square, 1000 queries',
    // As the other two: squares shrink over the queries there are.
    spec: { kind: 'square', queries: 1000, schedule: 'rescaled' },
    peer: { kind: 'square', steps: 1000 },
    examples: slow,
    tools: ['torchattacks', 'art'],
  },
  {
    name: 'DeepFool l2, 50 steps',
    closest: true,
    spec: { kind: 'deepfool', steps: 50 },
    peer: { kind: 'deepfool', steps: 50 },
    examples: slow,
    tools: ['foolbox', 'torchattacks', 'art'],
  },
  // ART's C&W takes seconds an example.
  ...[
    { examples: slow, tools: ['foolbox', 'torchattacks'] },
    { examples: Math.min(slow, 10), tools: ['foolbox', 'torchattacks', 'art'] },
  ].map(some => ({
    name: 'C&W l2, 9 × 100 steps',
    closest: true,
    spec: { kind: 'carlini-wagner-l2', searches: 9, steps: 100, stepSize: 0.1, initial: 0.01 },
    peer: { kind: 'cw', steps: 100 },
    ...some,
  })),
].filter(({ name }) => name.toLowerCase().startsWith(values.only.toLowerCase()))
/** An l2 radius that holds the box. */
const EVERYWHERE = 28
/** Examples computed together. */
const BLOCK = 128

await useBackend('auto')
const { data } = await loadLabelled({ inputs: files.x, labels: files.y, outputs: 10 })
const { peer, versions } = await startPython('../peers/mnist_attacks.py')
const rows = []
for (const name of values.names.split(',')) {
  const model = `${values.models}/${name}.safetensors`
  const passes = mlpPasses((await readMlp(model, 'relu')).mlp)
  const { clean } = await peer.ask({ op: 'load', model, ...files, count, threads: 1 })
  for (const attack of ATTACKS) {
    const radius = attack.closest ? RADIUS.l2 : RADIUS.linf
    const common = { op: 'attack', ...attack.peer, radius, count: attack.examples }
    const contestants = { saddle: async () => ours(passes, attack, radius) }
    for (const tool of attack.tools) contestants[tool] = () => peer.ask({ ...common, tool })
    const found = await interleaveRounds(contestants, {
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
    })
    const row = {
      model: name,
      clean,
      attack: attack.name,
      examples: attack.examples,
      radius,
      tools: {},
    }
    for (const [tool, { missing, seconds, rounds, answers }] of Object.entries(found)) {
      if (missing !== undefined) {
        row.tools[tool] = { missing }
        continue
      }
      const { seconds: _, cpuSeconds: __, ...figures } = answers[0]
      const cpuSeconds = median(answers.slice(1).map(answer => answer.cpuSeconds))
      row.tools[tool] = { ...figures, cpuSeconds, seconds, rounds }
    }
    rows.push(row)
    print(row)
  }
}
await peer[Symbol.asyncDispose]()
const results = fileURLToPath(new URL('results/', import.meta.url))
mkdirSync(results, { recursive: true })
const context = {
  examples: count,
  backend: currentBackend().found?.() ?? currentBackend().name,
  versions,
  node: process.version,
  load: loadavg(),
}
writeFileSync(`${results}mnist-attacks.json`, `${JSON.stringify({ context, rows }, null, 2)}\n`)

/** The attack in one thread, block by block: search, and what a fresh pass says of the points. */
function ours(passes, { spec, examples, closest = false }, radius) {
  const attack = attackFrom(spec)
  const set = closest ? boxL2(EVERYWHERE) : boxLinf(radius)
  const { seconds, cpuSeconds, result } = timed(() => {
    const blocks = []
    for (let start = 0; start < examples; start += BLOCK)
      blocks.push(blockOf(passes, attack, set, start, Math.min(examples, start + BLOCK)))
    return blocks.flat()
  })
  // An attack at a fixed radius is inside it; its distance may be the radius rounded up.
  const broken = result.filter(
    ({ success, distance }) => success && !(closest && distance > radius),
  )
  const robust = 1 - broken.length / examples
  if (!closest) return { seconds, cpuSeconds, robust }
  const right = result.filter(({ success, distance }) => !success || distance > 0)
  const found = right.filter(({ success }) => success)
  return {
    seconds,
    cpuSeconds,
    robust,
    median: median(found.map(({ distance }) => distance)),
    found: found.length / right.length,
  }
}

function blockOf(passes, attack, set, start, stop) {
  const n = stop - start
  return scoped(() => {
    const x = tf.tensor2d(data.inputs.slice(784 * start, 784 * stop), [n, 784])
    const y = tf.tensor1d(data.labels.slice(start, stop))
    const { success, distance } = attack.run(passes, x, y, {
      set,
      loss: lossFrom('cross-entropy'),
      key: {
        seed: 0,
        purpose: 'benchmark',
        step: 0,
        examples: Array.from({ length: n }, (_, i) => start + i),
      },
    })
    const distances = distance.dataSync()
    return Array.from(success.dataSync(), (flag, i) => ({
      success: flag === 1,
      distance: distances[i],
    }))
  })
}

function print({ model, clean, attack, tools }) {
  const cells = Object.entries(tools).map(([tool, { missing, robust, median, ...times }]) => {
    if (missing !== undefined) return `${tool}: ${missing}`
    const distance = median === undefined ? '' : `, median ${median?.toFixed(3)}`
    const took = `${times.cpuSeconds.toFixed(2)} s (${times.seconds.toFixed(2)} s)`
    return `${tool} ${(100 * robust).toFixed(1)} %${distance}, ${took}`
  })
  console.log(`${model} (clean ${(100 * clean).toFixed(1)} %) ${attack}: ${cells.join('; ')}`)
}
