import { existsSync } from 'node:fs'
import { startPython, startSaddle } from '../contestants/child.mjs'
import { interleaveRounds } from '../contestants/rounds.mjs'
import { median } from '../measure.mjs'

/** Of the networks of peers/mnist_models.py: radius in l∞, in the box. */
const RADIUS = 0.1
/** PGD's step in radii: Foolbox's default. */
const STEP = 1 / 30

/**
 * What is measured: forms of Saddle's attack, the first of which ratios are taken of, and the peers'. `examples` of the test
 * images; `models` by name. As `saddle evaluate` asks it, an example that has fallen is let go; peers have no such option,
 * so PGD is there with all its steps, too.
 */
export const ATTACK_CASES = {
  'PGD-40': {
    saddle: {
      saddle: { kind: 'pgd', steps: 40, stepSize: STEP },
      'saddle, all steps': { kind: 'pgd', steps: 40, stepSize: STEP, until: 'end' },
    },
    peers: { kind: 'pgd', steps: 40, step_size: STEP, start: 'random' },
    tools: ['foolbox', 'torchattacks'],
    models: ['adversarial', 'natural'],
    examples: 1000,
  },
  'APGD-CE': {
    saddle: { saddle: { kind: 'apgd', steps: 100 } },
    peers: { kind: 'apgd', steps: 100 },
    tools: ['torchattacks'],
    models: ['adversarial', 'natural'],
    examples: 1000,
  },
  AutoAttack: {
    saddle: { saddle: { kind: 'autoattack' } },
    peers: { kind: 'autoattack' },
    tools: ['torchattacks'],
    models: ['adversarial'],
    examples: 200,
  },
}

/**
 * One attack on 784-1024-1024-10 perceptrons by `saddle evaluate`'s workers against libraries with as many threads, in turn.
 *
 * @returns { network, rows } or { network, missing }: a row is { model, saddle, peers: name → { seconds, cpuSeconds, robust,
 * ratio, cpuRatio } or { missing } }.
 */
export async function attacksRow(name, { saddle: forms, peers, tools, models, examples }, options) {
  const { models: folder, threads, backend, quick } = options
  const files = { inputs: `${folder}/x-test.npy`, labels: `${folder}/y-test.npy` }
  if (!existsSync(files.inputs))
    return { network: name, missing: `no ${files.inputs}: see --models in benchmarks/README.md` }
  const count = quick ? 32 : examples
  const saddle = startSaddle()
  const python = await startPython('../peers/mnist_attacks.py').catch(error => ({ error }))
  try {
    const rows = []
    for (const model of models) {
      const file = `${folder}/${model}.safetensors`
      const request = {
        model: { file, activation: 'relu' },
        data: files,
        set: 'box-linf',
        radii: [RADIUS],
        examples: { first: count },
      }
      const contestants = {}
      for (const [form, attack] of Object.entries(forms))
        contestants[form] = () => {
          const attacks = [{ ...attack, fosc: false }]
          const question = { ...request, attacks }
          return saddle.ask({ op: 'evaluate', request: question, workers: threads, backend })
        }
      if (python.error === undefined) {
        await python.peer.ask({
          op: 'load',
          model: file,
          x: files.inputs,
          y: files.labels,
          count,
          threads,
        })
        for (const tool of tools)
          contestants[tool] = () =>
            python.peer.ask({ op: 'attack', tool, radius: RADIUS, ...peers })
      }
      const found = await interleaveRounds(contestants, options)
      if (python.error !== undefined)
        for (const tool of tools) found[tool] = { missing: python.error.message }
      rows.push({ model, examples: count, threads, ...compared(found) })
    }
    return { network: name, versions: python.versions ?? null, rows }
  } finally {
    await saddle[Symbol.asyncDispose]()
    await python.peer?.[Symbol.asyncDispose]()
  }
}

function compared({ saddle, ...peers }) {
  if (saddle.missing !== undefined) throw new Error(saddle.missing)
  const own = part(saddle)
  const beside = Object.entries(peers).map(([tool, found]) => {
    if (found.missing !== undefined) return [tool, { missing: found.missing }]
    const its = part(found)
    const ratios = {
      ratio: its.seconds / own.seconds,
      cpuRatio: its.cpuSeconds / own.cpuSeconds,
    }
    return [tool, { ...its, ...ratios }]
  })
  return { saddle: own, peers: Object.fromEntries(beside) }
}

function part({ seconds, rounds, answers }) {
  const timed = answers.slice(1)
  const cpuSeconds = median(timed.map(answer => answer.cpuSeconds))
  return { seconds, cpuSeconds, robust: answers[0].robust, rounds }
}
