import { startSaddle, startTorch } from '../contestants/child.mjs'
import { temporaryFolder } from '../contestants/folder.mjs'
import { BALL, configOf, peerAttack } from '../contestants/problem.mjs'

const INPUTS = 784
/** Clusters, because reading MNIST would be the peak of a small network. */
const PROBLEM = { dimension: INPUTS, set: 'l2', examples: 32, attackSteps: 1 }

/** The family, and two widths whose difference in peak memory has no constant part. */
export const MEMORY_CASES = {
  'H=1': { family: 'deep', depth: 1, widths: [8192, 32768], form: 'folded' },
  'H=2': { family: 'deep', depth: 2, widths: [2048, 4096], form: 'folded' },
  'two-layer': { family: 'two-layer', depth: 1, widths: [8192, 32768], form: 'pairs' },
}
export const QUICK_MEMORY_CASES = {
  'two-layer': { family: 'two-layer', depth: 1, widths: [2048, 8192], form: 'pairs' },
}

/**
 * Bytes of peak memory for each further trained number, over two training steps of 32 examples against one-step PGD:
 * W itself is 4. PyTorch computes the form that holds as many weights.
 */
export async function memoryRow(name, { family, depth, widths, form }, options) {
  const saddle = []
  const torch = []
  let missing
  for (const width of widths) {
    const size = { family, depth, width }
    const { bytes, problemFolder, stepSize, problem } = await saddleBytes(size, options)
    saddle.push(bytes)
    try {
      if (missing === undefined) torch.push(await torchBytes(problem, form, stepSize, options))
    } catch (error) {
      missing = error.message
    } finally {
      problemFolder.remove()
    }
  }
  const [few, many] = widths.map(width => weightsOf(family, depth, width))
  const perWeight = ([small, large]) => (large - small) / (many - few)
  return {
    network: name,
    widths,
    saddle: { bytes: saddle, perWeight: perWeight(saddle) },
    torch:
      missing === undefined ? { bytes: torch, perWeight: perWeight(torch), form } : { missing },
  }
}

function weightsOf(family, depth, width) {
  return family === 'two-layer' ? width * INPUTS : width * INPUTS + (depth - 1) * width ** 2
}

async function saddleBytes(size, options) {
  const config = configOf(size, { ...options, ...PROBLEM })
  const problemFolder = temporaryFolder()
  const run = temporaryFolder()
  // A process of its own writes the weights, for that takes memory, too.
  const writer = startSaddle()
  const trainer = startSaddle()
  try {
    const { problem } = await writer.ask({ op: 'load', config, folder: problemFolder.path })
    await writer[Symbol.asyncDispose]()
    const { threads } = options
    const { stepSize } = await trainer.ask({ op: 'train', config, threads, folder: run.path })
    await trainer.ask({ op: 'step' })
    const { bytes } = await trainer.ask({ op: 'memory' })
    return { bytes, stepSize, problem, problemFolder }
  } finally {
    await writer[Symbol.asyncDispose]()
    await trainer[Symbol.asyncDispose]()
    run.remove()
  }
}

async function torchBytes(problem, form, stepSize, { threads }) {
  const { peer } = await startTorch()
  try {
    await peer.ask({ op: 'load', problem, forms: [form] })
    await peer.ask({ op: 'reset', form })
    const attack = peerAttack('l2')
    const step = { op: 'step', form, attack, steps: 1, step_size: stepSize, radius: BALL, threads }
    await peer.ask(step)
    await peer.ask(step)
    return (await peer.ask({ op: 'memory' })).bytes
  } finally {
    await peer[Symbol.asyncDispose]()
  }
}
