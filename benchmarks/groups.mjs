import { useBackend } from '@saddle/core'
import { NETWORKS, QUICK_NETWORKS } from './contestants/problem.mjs'
import {
  printAllreduce,
  printAttacks,
  printMemory,
  printPeak,
  printRanks,
  printStepTime,
  printStepTimeHead,
  printTorch,
  printWidth,
  printWorkers,
} from './report.mjs'
import { ALLREDUCE_CASES, allreduceRow } from './rows/allreduce.mjs'
import { ATTACK_CASES, attacksRow } from './rows/attacks.mjs'
import { MEMORY_CASES, memoryRow, QUICK_MEMORY_CASES } from './rows/memory.mjs'
import { peakRow } from './rows/peak.mjs'
import { RANK_CASES, ranksRow } from './rows/ranks.mjs'
import { CASES, QUICK_CASES, stepTimeRow } from './rows/step-time.mjs'
import { torchRows } from './rows/torch.mjs'
import { widthRow } from './rows/width.mjs'
import { workersRow } from './rows/workers.mjs'

/** The group that is measured network by network. */
const TORCH = 'torch'
/** Networks of the rows that need one of each kind. */
const TYPICAL = { full: ['H1-4096', 'H2-2048'], quick: ['H1-1024', 'H2-1024'] }
const PEAK = { full: ['H2-4096', 'H3-2048'], quick: ['H2-1024'] }

/** Name → { title, measure(options): rows }. `measure` prints every row as soon as it is there. */
export const GROUPS = {
  [TORCH]: {
    title: 'Against PyTorch: attack in one thread, training step in all; ratio: peer over Saddle',
    measure: options => each(chosenNetworks(options), torchRows, printTorch, options),
  },
  workers: {
    title: 'Training step, from one worker to all cores',
    measure: options => each(typical(options, TYPICAL), workersRow, printWorkers, options),
  },
  peak: {
    title: "Attack: share of the backend's own matrix product, one thread",
    measure: options => each(typical(options, PEAK), peakRow, printPeak, options),
  },
  memory: {
    title: 'Peak memory of training: bytes a trained weight (W itself takes 4)',
    measure: options =>
      each(options.quick ? QUICK_MEMORY_CASES : MEMORY_CASES, memoryRow, printMemory, options),
  },
  width: {
    title: 'Training step of H = 1 by width, d = 10, 16 examples, PGD-2',
    measure: async options => {
      const row = await widthRow(options)
      printWidth(row)
      return [row]
    },
  },
  'step-time': {
    title:
      "Parts of a step in one thread, 128 examples, d = 784, in ms; ratio: TensorFlow.js's tf.grad over ∇ₓf",
    measure: stepTimes,
  },
  attacks: {
    title:
      'Attacks on a perceptron 784-1024-1024-10 of MNIST, l∞ 0.1, all cores; ratios: peer over Saddle, of time and of processor time',
    measure: options => each(ATTACK_CASES, attacksRow, printAttacks, options),
  },
  allreduce: {
    title: 'Sum over 2 ranks on this machine, float32 in place; ratio: C program over Saddle',
    measure: options => each(ALLREDUCE_CASES, allreduceRow, printAllreduce, options),
  },
  ranks: {
    title: 'H = 2 on several ranks of this machine over TCP, one worker each',
    measure: options => each(RANK_CASES, ranksRow, printRanks, options),
  },
}

/** Sizes by name of the networks that `options.rows` and `options.quick` choose for the torch rows. */
function chosenNetworks({ rows, quick }) {
  const all = quick ? QUICK_NETWORKS : NETWORKS
  if (rows.includes(TORCH)) return all
  return Object.fromEntries(Object.entries(all).filter(([name]) => rows.includes(name)))
}

/** Groups that `options.rows` asks for; the name of a network stands for its torch rows. */
export function chosenGroups({ rows }) {
  return Object.entries(GROUPS).filter(
    ([name]) => rows.includes(name) || (name === TORCH && rows.some(row => !(row in GROUPS))),
  )
}

function typical({ quick }, names) {
  const all = quick ? QUICK_NETWORKS : NETWORKS
  return Object.fromEntries((quick ? names.quick : names.full).map(name => [name, all[name]]))
}

/** Measures and prints case by case; one that fails becomes a row with the reason. */
async function each(cases, measure, print, options) {
  const rows = []
  for (const [name, size] of Object.entries(cases)) {
    try {
      const row = await measure(name, size, options)
      rows.push(row)
      print(row)
    } catch (error) {
      rows.push({ network: name, failed: error.message })
      console.log(`  ${name}: failed: ${error.message}`)
    }
  }
  return rows
}

async function stepTimes({ backend, quick, rounds }) {
  await useBackend(backend)
  printStepTimeHead()
  const rows = []
  for (const kind of quick ? QUICK_CASES : CASES) {
    for (const width of kind.widths) {
      rows.push(stepTimeRow(kind, width, rounds))
      printStepTime(rows.at(-1))
    }
  }
  return rows
}
