import { relativeDifference, requireAgreement } from '../contestants/agreement.mjs'
import { startSaddle, startTorch } from '../contestants/child.mjs'
import { temporaryFolder } from '../contestants/folder.mjs'
import { BALL, configOf, peerAttack, perturbation, RADII } from '../contestants/problem.mjs'
import { interleaveRounds } from '../contestants/rounds.mjs'

/** Forms of the network that the peer computes, by family; attack libraries are timed on the first that there is. */
const FORMS = { deep: ['paper', 'folded'], 'two-layer': ['pairs'] }
/**
 * Largest relative difference of the losses of the same steps of training. A two-layer network's first gradient is 0:
 * what rounding leaves of it sends the peer's first PGD anywhere, and a weight step follows from that.
 */
const SAME_LOSSES = { deep: 1e-3, 'two-layer': 1e-2 }

/**
 * Saddle against PyTorch on one network: an attack in one thread and a whole training step in all, for both norms.
 * Without PyTorch the rows hold Saddle's times and the reason.
 *
 * @returns { network, versions, agreement, rows }; a row is { what, set, threads, saddle, peers: name → { seconds,
 * ratio, … } or { missing } }.
 */
export async function torchRows(name, size, options) {
  const folder = temporaryFolder()
  const torch = await startTorch().catch(error => ({ missing: error.message }))
  try {
    const context = { size, options, folder: folder.path, ...torch }
    const { labels, rows, ...found } = await attackRows(context)
    for (const set of Object.keys(RADII))
      rows.push(await stepRow(context, set, labels, found.refused))
    return { network: name, ...found, versions: torch.versions ?? null, rows }
  } finally {
    await torch.peer?.[Symbol.asyncDispose]()
    folder.remove()
  }
}

async function attackRows({ size, options, folder, peer, missing }) {
  const saddle = startSaddle()
  try {
    const config = configOf(size, { ...options, set: 'l2' })
    const { backend, problem } = await saddle.ask({ op: 'load', config, folder })
    const { forms, agreement, refused } = await meet(saddle, peer, problem, missing)
    const { labels, compiling } = await tune(peer, forms, options)
    const rows = []
    for (const set of Object.keys(RADII)) {
      const ours = () => saddle.ask({ op: 'attack', perturbation: perturbation(set) })
      const threads = Math.max(1, Math.round(await coresOf(ours)))
      const common = { op: 'attack', attack: peerAttack(set), steps: options.attackSteps, threads }
      const contestants = { saddle: ours }
      for (const form of forms)
        contestants[labels[form]] = () => peer.ask({ ...common, form, tool: 'torch' })
      for (const tool of forms.length > 0 ? ['torchattacks', 'foolbox'] : [])
        contestants[`${tool} ${forms[0]}`] = () => peer.ask({ ...common, form: forms[0], tool })
      rows.push(
        rowOf('attack', set, threads, await interleaveRounds(contestants, options), refused),
      )
    }
    return { backend, agreement, compiling, refused, labels, rows }
  } finally {
    await saddle[Symbol.asyncDispose]()
  }
}

/** Lets the peer build its forms, and compares numbers: nothing is timed if one computes something else. */
async function meet(saddle, peer, problem, missing) {
  if (peer === undefined) return { forms: [], agreement: {}, refused: { PyTorch: missing } }
  const wanted = FORMS[problem.family]
  const { refused } = await peer.ask({ op: 'load', problem, forms: wanted })
  const forms = wanted.filter(form => !(form in refused))
  const ours = await saddle.ask({ op: 'check' })
  const agreement = {}
  for (const form of forms)
    agreement[form] = requireAgreement(form, ours, await peer.ask({ op: 'check', form }))
  const reasons = Object.entries(refused).map(([form, why]) => [`PyTorch ${form}`, why])
  return { forms, agreement, refused: Object.fromEntries(reasons) }
}

/**
 * Lets the peer choose between eager and compiled. Returns form → label, which says `compiled` where that is faster, and
 * what was found.
 */
async function tune(peer, forms, { quick, threads }) {
  const labels = {}
  const compiling = {}
  for (const form of forms) {
    const choice = { op: 'tune', form, attack: peerAttack('l2'), threads }
    compiling[form] = quick ? { compiled: false, reason: 'quick' } : await peer.ask(choice)
    labels[form] = `PyTorch ${form}${compiling[form].compiled ? ', compiled' : ''}`
  }
  return { labels, compiling }
}

async function coresOf(work) {
  const { seconds, cpuSeconds } = await work()
  return cpuSeconds / seconds
}

async function stepRow({ size, options, peer }, set, labels, refused) {
  const { threads, attackSteps } = options
  const run = temporaryFolder()
  const saddle = startSaddle()
  try {
    const config = configOf(size, { ...options, set })
    // The first step is part of the start.
    const first = await saddle.ask({ op: 'train', config, threads, folder: run.path })
    const common = {
      op: 'step',
      attack: peerAttack(set),
      steps: attackSteps,
      step_size: first.stepSize,
      radius: BALL,
      threads,
    }
    const contestants = { saddle: () => saddle.ask({ op: 'step' }) }
    const losses = { saddle: [first.loss] }
    for (const [form, label] of Object.entries(labels)) {
      await peer.ask({ op: 'reset', form })
      losses[label] = [(await peer.ask({ ...common, form })).loss]
      contestants[label] = () => peer.ask({ ...common, form })
    }
    const found = await interleaveRounds(contestants, options)
    for (const [name, { answers = [] }] of Object.entries(found))
      losses[name].push(...answers.map(answer => answer.loss))
    requireSameLosses(losses, SAME_LOSSES[size.family])
    return { ...rowOf('step', set, threads, found, refused), losses }
  } finally {
    await saddle[Symbol.asyncDispose]()
    run.remove()
  }
}

function requireSameLosses({ saddle, ...peers }, tolerance) {
  for (const [name, losses] of Object.entries(peers)) {
    const difference = relativeDifference(losses, saddle)
    if (!(difference <= tolerance))
      throw new Error(`${name} trains something else: losses ${losses} instead of ${saddle}`)
  }
}

function rowOf(what, set, threads, { saddle, ...peers }, refused) {
  const compared = Object.fromEntries(
    Object.entries(peers).map(([name, found]) => [
      name,
      'missing' in found
        ? found
        : {
            seconds: found.seconds,
            cores: found.cores,
            rounds: found.rounds,
            ratio: found.seconds / saddle.seconds,
          },
    ]),
  )
  for (const [name, reason] of Object.entries(refused)) compared[name] = { missing: reason }
  const { seconds, cores, rounds } = saddle
  return { what, set, threads, saddle: { seconds, cores, rounds }, peers: compared }
}
