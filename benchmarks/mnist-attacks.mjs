import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { attackFrom } from '@saddle/attacks'
import {
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
 *     SADDLE_PYTHON=… node benchmarks/mnist-attacks.mjs --models DIR [--examples 1000] [--rounds 3] [--radius 0.1]
 *
 * Prints a row an attack and model: the share of images that is still right, and medians of processor and wall-clock
 * seconds; writes results/mnist-attacks.json. On a busy machine only processor time compares. Attacks start at the image, so that all compute the same thing.
 */
const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    examples: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    radius: { type: 'string', default: '0.1' },
    seconds: { type: 'string', default: '600' },
    names: { type: 'string', default: 'natural,adversarial' },
  },
})
const count = Number(values.examples)
const radius = Number(values.radius)
const files = { x: `${values.models}/x-test.npy`, y: `${values.models}/y-test.npy` }

/** Steps in units of the radius. */
const ATTACKS = [
  { kind: 'fgsm', steps: 1, stepSize: 1 },
  { kind: 'bim', steps: 10, stepSize: 0.2 },
  { kind: 'pgd', steps: 40, stepSize: 1 / 30 },
]
const TOOLS = ['foolbox', 'torchattacks', 'art']
/** Examples that `saddle evaluate` computes together. */
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
    const { kind, steps, stepSize } = attack
    const common = { op: 'attack', kind, radius, steps, step_size: stepSize }
    const contestants = { saddle: async () => ours(passes, attack) }
    for (const tool of TOOLS) contestants[tool] = () => peer.ask({ ...common, tool })
    const found = await interleaveRounds(contestants, {
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
    })
    const row = { model: name, clean, attack: `${kind}-${steps}`, radius, tools: {} }
    for (const [tool, { missing, seconds, rounds, answers }] of Object.entries(found))
      row.tools[tool] =
        missing === undefined
          ? {
              robust: answers[0].robust,
              cpuSeconds: median(answers.slice(1).map(answer => answer.cpuSeconds)),
              seconds,
              rounds,
            }
          : { missing }
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
function ours(passes, { kind, steps, stepSize }) {
  const spec =
    kind === 'fgsm'
      ? { kind }
      : kind === 'bim'
        ? { kind, steps, stepSize }
        : { kind, steps, stepSize, restarts: 1, start: 'clean', objective: 'loss', keepBest: false }
  const attack = attackFrom(spec)
  const { seconds, cpuSeconds, result } = timed(() => {
    let right = 0
    for (let start = 0; start < count; start += BLOCK) right += blockOf(passes, attack, start)
    return right
  })
  return { seconds, cpuSeconds, robust: result / count }
}

function blockOf(passes, attack, start) {
  const n = Math.min(count, start + BLOCK) - start
  return scoped(() => {
    const x = tf.tensor2d(data.inputs.slice(784 * start, 784 * (start + n)), [n, 784])
    const y = tf.tensor1d(data.labels.slice(start, start + n))
    const { success } = attack.run(passes, x, y, {
      set: boxLinf(radius),
      loss: lossFrom('cross-entropy'),
      key: {
        seed: 0,
        purpose: 'benchmark',
        step: 0,
        examples: Array.from({ length: n }, (_, i) => start + i),
      },
    })
    return n - tf.sum(tf.cast(success, 'int32')).dataSync()[0]
  })
}

function print({ model, clean, attack, tools }) {
  const cells = Object.entries(tools).map(([tool, { missing, robust, seconds, cpuSeconds }]) =>
    missing === undefined
      ? `${tool} ${(100 * robust).toFixed(1)} %, ${cpuSeconds.toFixed(2)} s (${seconds.toFixed(2)} s)`
      : `${tool}: ${missing}`,
  )
  console.log(`${model} (clean ${(100 * clean).toFixed(1)} %) ${attack}: ${cells.join(', ')}`)
}
