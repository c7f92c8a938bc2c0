import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { footprintOf } from '@saddle/core'
import { relativeDifference, requireAgreement } from '../contestants/agreement.mjs'
import { startSaddle, startTorch } from '../contestants/child.mjs'
import { temporaryFolder } from '../contestants/folder.mjs'
import { BALL, configOf, peerAttack, perturbation } from '../contestants/problem.mjs'
import { interleaveRounds } from '../contestants/rounds.mjs'

/** Name → size, with the goal: how many times PyTorch's time the same should take it, in the form that is named. */
export const DEVICE_NETWORKS = {
  'H1-1048576': { family: 'deep', depth: 1, width: 2 ** 20, goal: 5 },
  'H2-16384': { family: 'deep', depth: 2, width: 16_384, goal: 1.5 },
  'H2-65536': { family: 'deep', depth: 2, width: 65_536, goal: 1.5 },
  'H3-16384': { family: 'deep', depth: 3, width: 16_384, goal: 1 },
}

/** Small enough for a processor that plays a GPU. */
export const QUICK_DEVICE_NETWORKS = {
  'H1-64': { family: 'deep', depth: 1, width: 64, goal: 5 },
  'H2-48': { family: 'deep', depth: 2, width: 48, goal: 1.5 },
}

const SET = 'l2'
/** Largest relative difference of the losses of the same steps, where both sides compute in float32. */
const SAME_LOSSES = 1e-3

/** What `deviceRows` takes of a problem's size: examples, inputs and gradient steps of the attack. */
export const FULL = { examples: 1024, inputs: 784, attackSteps: 10, rounds: 7, seconds: 60 }
export const QUICK = { examples: 8, inputs: 16, attackSteps: 2, rounds: 1, seconds: 1 }

/**
 * Saddle against PyTorch on one device: an attack and a whole training step, n examples in one shard, at equal precision of the
 * search. Every form is first found to compute the same outputs and gradients in float32.
 *
 * @param where { ordinal, torchDevice, memoryBytes }: of the device on both sides.
 * @returns { network, agreement, rows }; a row is { what, precision, seconds, teraflops, torch: form → { seconds, teraflops,
 * ratio } or { missing } }; or { network, skipped } with the reason.
 */
export async function deviceRows(name, { goal, ...size }, precisions, scale, where) {
  const reason = tooLarge(size, scale, where)
  if (reason !== null) return { network: name, skipped: reason }
  const folder = temporaryFolder()
  const torch = await startTorch({ SADDLE_TORCH_DEVICE: where.torchDevice }).catch(error => ({
    missing: error.message,
  }))
  const context = { size, scale, where, ...torch, folder: folder.path }
  try {
    const { forms, agreement, refused } = await meet(context)
    const rows = []
    for (const precision of precisions) {
      rows.push(await attackRow({ ...context, forms }, precision))
      rows.push(await stepRow({ ...context, forms }, precision))
    }
    return { network: name, goal, versions: torch.versions ?? null, agreement, refused, rows }
  } finally {
    await torch.peer?.[Symbol.asyncDispose]()
    folder.remove()
  }
}

/** Why a network can't be tried here; null if it can. W, D, W_0 and what a search holds must fit; files go to the temporary folder. */
function tooLarge({ width, depth }, { inputs, examples }, { memoryBytes }) {
  const { weights } = footprintOf(specOf({ width, depth }, inputs))
  const bytes = 4 * (3 * weights + 12 * examples * width * depth)
  if (memoryBytes !== null && bytes > 0.9 * memoryBytes)
    return `takes ${gib(bytes)} GiB on the device, which has ${gib(memoryBytes)}`
  const longest = 4 * width * Math.max(width * Math.min(1, depth - 1), inputs)
  if (longest > MOST_BYTES)
    return `one matrix takes ${gib(longest)} GiB, and this Node's arrays ${gib(MOST_BYTES)} at most`
  const { bavail, bsize } = statfsSync(tmpdir())
  if (8 * 2 * weights > bavail * bsize)
    return `matrices and a checkpoint take ${gib(16 * weights)} GiB in ${tmpdir()}, which has ${gib(bavail * bsize)}; TMPDIR names another folder`
  return null
}

const { MAX_LENGTH: MOST_BYTES } = (await import('node:buffer')).constants

function gib(bytes) {
  return (bytes / 2 ** 30).toFixed(0)
}

function specOf({ width, depth }, inputs) {
  return { family: 'deep', activation: 'relu', inputs, width, depth, outputs: 1, init: 'paper' }
}

function configFor({ size, scale, where }, precision) {
  const { examples, inputs: dimension, attackSteps } = scale
  const compute = { devices: [`cuda:${where.ordinal}`], precision, split: 'examples' }
  const sizes = { examples, dimension, attackSteps, shard: examples, threads: 1 }
  return configOf(size, { ...sizes, set: SET, backend: 'auto', compute })
}

/** Saddle writes its matrices, PyTorch reads them; nothing is timed of a form that computes something else. */
async function meet(context) {
  const { peer, missing, folder, where } = context
  if (peer === undefined) return { forms: [], agreement: {}, refused: { PyTorch: missing } }
  const saddle = startSaddle()
  try {
    const config = { ...configFor(context, 'float32'), compute: { backend: 'cuda' } }
    const { problem } = await saddle.ask({ op: 'load', config, folder, ordinal: where.ordinal })
    const { refused } = await peer.ask({ op: 'load', problem, forms: ['paper', 'folded'] })
    const forms = ['paper', 'folded'].filter(form => !(form in refused))
    const ours = await saddle.ask({ op: 'check' })
    const agreement = {}
    for (const form of forms)
      agreement[form] = requireAgreement(form, ours, await peer.ask({ op: 'check', form }))
    return { forms, agreement, refused }
  } finally {
    await saddle[Symbol.asyncDispose]()
  }
}

/** f at x, the search, f at what it found. */
async function attackRow(context, precision) {
  const { peer, forms, scale, where, folder } = context
  const { attackSteps: steps } = scale
  const saddle = startSaddle()
  try {
    const compute = { backend: 'cuda', precision }
    const config = { ...configFor(context, precision), compute }
    await saddle.ask({ op: 'load', config, folder, ordinal: where.ordinal })
    const asked = { op: 'attack', tool: 'torch', attack: peerAttack(SET), steps, threads: 1 }
    const contestants = {
      saddle: () => saddle.ask({ op: 'attack', perturbation: perturbation(SET) }),
    }
    for (const form of forms) contestants[form] = () => peer.ask({ ...asked, form, precision })
    const found = await interleaveRounds(contestants, scale)
    return rowOf('attack', precision, found, form => (4 * steps + 4) * pass(context, form))
  } finally {
    await saddle[Symbol.asyncDispose]()
  }
}

/** The search, the gradient in the weights, descent and projection. */
async function stepRow(context, precision) {
  const { peer, forms, scale } = context
  const { attackSteps: steps } = scale
  const run = temporaryFolder()
  const saddle = startSaddle()
  try {
    const config = configFor(context, precision)
    const first = await saddle.ask({ op: 'train', config, threads: 1, folder: run.path })
    const rest = { step_size: first.stepSize, radius: BALL, threads: 1, precision }
    const asked = { op: 'step', attack: peerAttack(SET), steps, ...rest }
    const contestants = { saddle: () => saddle.ask({ op: 'step' }) }
    const losses = { saddle: [first.loss] }
    for (const form of forms) {
      await peer.ask({ op: 'reset', form })
      losses[form] = [(await peer.ask({ ...asked, form })).loss]
      contestants[form] = () => peer.ask({ ...asked, form })
    }
    const found = await interleaveRounds(contestants, scale)
    for (const [name, { answers = [] }] of Object.entries(found))
      losses[name].push(...answers.map(({ loss }) => loss))
    const difference = Object.fromEntries(
      forms.map(form => [form, relativeDifference(losses[form], losses.saddle)]),
    )
    for (const [form, gap] of Object.entries(difference))
      if (precision === 'float32' && !(gap <= SAME_LOSSES))
        throw new Error(
          `PyTorch ${form} trains something else: losses ${losses[form]}, not ${losses.saddle}`,
        )
    const row = rowOf('step', precision, found, form => (4 * steps + 6) * pass(context, form))
    return { ...row, lossesDifferBy: difference }
  } finally {
    await saddle[Symbol.asyncDispose]()
    run.remove()
  }
}

/** n P: examples times the numbers of the matrices that a pass multiplies with, W⁽¹⁾ and A or U and F. */
function pass({ size, scale: { examples, inputs } }, form) {
  const { width: m, depth } = size
  const first = form === 'paper' ? m * m + m * inputs : m * inputs + Math.min(m, inputs) * inputs
  return examples * (first + (depth - 1) * m * m)
}

function rowOf(what, precision, { saddle, ...torch }, flopsOf) {
  const rate = (seconds, form) => flopsOf(form) / seconds / 1e12
  if ('missing' in saddle) throw new Error(saddle.missing)
  const compared = Object.entries(torch).map(([form, found]) => [
    form,
    'missing' in found
      ? found
      : {
          seconds: found.seconds,
          teraflops: rate(found.seconds, form),
          ratio: found.seconds / saddle.seconds,
        },
  ])
  const { seconds } = saddle
  const teraflops = rate(seconds, 'folded')
  return { what, precision, seconds, teraflops, torch: Object.fromEntries(compared) }
}

/**
 * The device's peak by precision: 2 m³ over the median time of a product of two m × m matrices, of cuBLAS as Saddle calls it and
 * of PyTorch.
 */
export async function peakRates(precisions, size, scale, where) {
  const saddle = startSaddle()
  const torch = await startTorch({ SADDLE_TORCH_DEVICE: where.torchDevice }).catch(() => null)
  const folder = temporaryFolder()
  try {
    const tiny = { size: { family: 'deep', depth: 1, width: 16 }, where }
    const config = configFor({ ...tiny, scale: { ...scale, inputs: 4, examples: 4 } }, 'float32')
    const compute = { backend: 'cuda' }
    await saddle.ask({
      op: 'load',
      config: { ...config, compute },
      folder: folder.path,
      ordinal: where.ordinal,
    })
    const rates = {}
    for (const precision of precisions) {
      const command = { op: 'product', size, precision }
      const found = await interleaveRounds(
        {
          saddle: () => saddle.ask(command),
          ...(torch === null ? {} : { torch: () => torch.peer.ask(command) }),
        },
        scale,
      )
      rates[precision] = Object.fromEntries(
        Object.entries(found).map(([name, { seconds }]) => [
          name,
          (2 * size ** 3) / seconds / 1e12,
        ]),
      )
    }
    return rates
  } finally {
    await saddle[Symbol.asyncDispose]()
    await torch?.peer[Symbol.asyncDispose]()
    folder.remove()
  }
}
