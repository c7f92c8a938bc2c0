import { footprintOf, type NetworkSpec } from '@saddle/core'
import type { TrainingAttack } from '../config/recipe-schema.js'
import { cardOf, type Device, shardsInFlight } from '../devices/device.js'
import { needsOf } from '../recipes/recipe.js'
import { planWorkspace } from '../replica/workspace.js'
import { neuronSlices } from '../team/slices.js'
import { chooseSplit, type Split } from '../team/split.js'
import { followedNumbers, memberNumbers, plainNumbers } from './in-work.js'

/** A run as far as its memory goes. */
export interface MemoryQuestion {
  readonly network: NetworkSpec
  /** Examples to train on, and in a step. */
  readonly examples: number
  readonly batch: number
  /** Examples that are only evaluated. */
  readonly testExamples: number
  readonly shard: number
  readonly window: number
  readonly split: 'auto' | 'examples' | 'neurons'
  /** Where weights are updated, as `updateFor` found. */
  readonly update: 'device' | 'host'
  readonly attack: TrainingAttack
  /** True if the regret monitor holds another network of the same size. */
  readonly comparator: boolean
  readonly devices: readonly Device[]
}

/** What one thing takes. */
interface MemoryPart {
  readonly name: string
  /** Of all of them together. */
  readonly bytes: number
  /** True if shapes give it exactly; else an estimate. */
  readonly exact: boolean
  readonly note: string
}

/** One memory: the machine's, or a card's. */
export interface MemoryRoom {
  /** `machine`, or a card by the name of its first device. */
  readonly name: string
  readonly parts: readonly MemoryPart[]
  /** Bytes that follow from shapes, and with the estimates. */
  readonly exact: number
  readonly total: number
}

/** What a run takes, in bytes, memory by memory; the machine's comes first. */
export interface MemoryPlan {
  readonly width: number
  readonly workers: number
  readonly split: Split['by']
  readonly rooms: readonly MemoryRoom[]
}

const MIB = 2 ** 20

/** Resident before any task, measured: Node with the coordinator; a worker's thread with its JavaScript engine. */
const COORDINATOR = 120 * MIB
const THREAD = 44 * MIB

/** A process of a device's own once its backend has loaded, measured for `wasm` and for TensorFlow on the processor. */
const PROCESS = 76 * MIB
const TENSORFLOW_PROCESS = 388 * MIB

/** An allowance for a CUDA context with cuBLAS and compiled kernels on a card: never measured. */
const CONTEXT = 512 * MIB

/** Numbers of a block of rows of the gradient that a card has at once. */
const UPDATE_BLOCK = 2 ** 26

/** WebAssembly's memory never shrinks and has holes; a card's tensors are rounded up to classes of an eighth. */
const HOLES = { wasm: 1.25, card: 1.125 }

/** What a run needs: exact where shapes decide, an estimate for what workers have in work. */
export function planMemory(question: MemoryQuestion): MemoryPlan {
  const { network, devices } = question
  const layout = layoutOf(question)
  const cards = [...new Set(devices.flatMap(device => cardOf(device) ?? []))]
  const [shared, host] = [sharedParts(question, layout), hostParts(question, layout)]
  const rooms = [
    roomOf('machine', [...shared, ...host, ...movingParts(question, shared, host)]),
    ...cards.map(card => roomOf(card, cardParts(question, layout, card))),
  ]
  return { width: network.width, workers: devices.length, split: layout.split, rooms }
}

/** The room of that name. */
export function roomNamed({ rooms }: MemoryPlan, name: string): MemoryRoom {
  return rooms.find(room => room.name === name)!
}

/**
 * The largest even width at which a room's part of the plan takes at most `bytes`; 0 if none does.
 *
 * @param figure which figure must fit: with the estimates (default), or what shapes alone say.
 */
export function largestWidth(
  question: MemoryQuestion,
  room: string,
  bytes: number,
  figure: 'total' | 'exact' = 'total',
): number {
  const fits = (half: number) => {
    const network = { ...question.network, width: 2 * half }
    return roomNamed(planMemory({ ...question, network }), room)[figure] <= bytes
  }
  let low = 0
  let high = 1
  while (fits(high)) [low, high] = [high, 2 * high]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle
  }
  return 2 * low
}

/** How the run is laid out: what decides the lengths of its arrays. */
function layoutOf(question: MemoryQuestion) {
  const { network, examples, batch, shard, window, split, attack, devices } = question
  const footprint = footprintOf(network)
  const inShard = Math.min(shard, batch)
  const needs = needsOf(attack, network.depth)
  const options = { examples, batch, shard, windowBytes: window, points: needs.points }
  const { matrices: forms } = planWorkspace(footprint.trained, { ...options, inFlight: 0 })
  const alone = question.update === 'device' || devices.some(({ process }) => process !== null)
  const asked = alone ? 'examples' : split
  const { by } = chooseSplit(network, forms, { asked, needs, batch, shard })
  const inFlight = by === 'neurons' ? Number(batch > shard) : shardsInFlight(devices)
  const onDevice = question.update === 'device'
  const workspace = planWorkspace(footprint.trained, { ...options, inFlight, onDevice })
  const trainedBranches = new Set(footprint.trained.map(({ name }) => name.replace(/\d+/, ''))).size
  const layers = footprint.trained.slice(0, footprint.trained.length / trainedBranches)
  const branches = network.init === 'subtract' ? 2 : trainedBranches
  const joint = needs.needsAllNeurons
  const work = { network, shard: inShard, chunk: workspace.chunk, layers, branches, joint }
  const carried = needs.carries ? batch * network.inputs : 0
  return { footprint, workspace, split: by, work, carried }
}

type Layout = ReturnType<typeof layoutOf>

/** Held once for all workers of the machine. */
function sharedParts(
  question: MemoryQuestion,
  { footprint, workspace, split, carried }: Layout,
): MemoryPart[] {
  const { network, examples, testExamples, comparator } = question
  const { weights, initial, frozen, trained } = footprint
  const { inputs: d, outputs } = network
  const travelling = workspace.matrices.reduce(
    (sum, m) => sum + m.signals + m.inputs + m.staging.count * m.staging.length + m.sum + m.journal,
    workspace.order,
  )
  // One part a slice, and their sum.
  const parts = split === 'neurons' ? neuronSlices(trained[0]!.rows).length + 1 : 0
  const team = parts * Math.min(question.shard, Math.max(examples, testExamples)) * (d + outputs)
  const parameters = 2 * weights + initial + frozen
  const arrays = [
    part('W', weights, 'weights'),
    part('W_0', initial, 'where they started; copies that start alike share it'),
    part('D', weights, 'W − W_0, which is optimised'),
    part('frozen', frozen, 'matrices that are not trained'),
    part('W†', comparator ? parameters : 0, 'the network of the regret monitor'),
    part('data', (examples + testExamples) * (d + 1), 'inputs and labels'),
    part('gradients', travelling, 'on their way, as factors or dense'),
    part('perturbation', carried, 'that the recipe carries from step to step'),
    part('team', team, 'sums that workers exchange which split the neurons'),
  ].filter(({ bytes }) => bytes > 0)
  return [...arrays, estimate('program', COORDINATOR, 'Node and the coordinator')]
}

/** What the workers hold in the machine's memory. */
function hostParts(question: MemoryQuestion, layout: Layout): MemoryPart[] {
  const { devices } = question
  const { trained } = layout.footprint
  const block = 4 * Math.max(...trained.map(({ cols }) => Math.max(2 ** 19, 8 * cols)))
  const onHost = devices.filter(device => cardOf(device) === null)
  const copies = onHost.filter(({ backend }) => backend === 'tensorflow').length
  const sum = (pick: (device: Device) => number) =>
    devices.reduce((total, device) => total + pick(device), 0)
  const each = `of ${devices.length} worker${devices.length === 1 ? '' : 's'}`
  return [
    estimate(
      'shards',
      sum(device => hostWork(device, question, layout)),
      `what attacks have in work, ${each}`,
    ),
    estimate('updates', devices.length * block, `a block of the gradient, ${each}`),
    estimate('workers', sum(programOf), 'their threads, and processes of their own'),
    part(
      'copies',
      copies * residentNumbers(question, layout),
      'of the weights, in processes of TensorFlow',
    ),
  ].filter(({ bytes }) => bytes > 0)
}

/** Bytes an attack has in work in the machine's memory; of one on a card, the factors that come back. */
function hostWork(device: Device, { network, devices }: MemoryQuestion, layout: Layout): number {
  const { work, split, footprint } = layout
  if (cardOf(device) !== null) {
    const n = Math.min(work.shard, work.chunk)
    return 4 * n * footprint.trained.reduce((sum, { rows, cols }) => sum + rows + cols, 0)
  }
  const { backend } = device
  const follows =
    backend === 'blas' && network.outputs === 1 && network.activation === 'relu' && !work.joint
  if (!follows) return 4 * plainNumbers(work) * (backend === 'wasm' ? HOLES.wasm : 1)
  return 4 * (split === 'neurons' ? memberNumbers(work, 1 / devices.length) : followedNumbers(work))
}

/** Arrays are copied to where processes see them before the first worker starts: for a moment they are there twice. */
function movingParts(
  { devices }: MemoryQuestion,
  shared: readonly MemoryPart[],
  host: readonly MemoryPart[],
): MemoryPart[] {
  if (devices.every(({ process }) => process === null)) return []
  const arrays = bytesOf(shared.filter(({ exact }) => exact))
  const more = Math.max(0, arrays - bytesOf(host))
  return [
    estimate(
      'moving',
      more,
      'more at the start, while arrays are moved to where processes see them',
    ),
  ]
}

function programOf({ backend, process }: Device): number {
  if (process === null) return THREAD
  return THREAD + (backend === 'tensorflow' ? TENSORFLOW_PROCESS : PROCESS)
}

/** What lanes hold on one card: each has a copy of the weights of its own. */
function cardParts(question: MemoryQuestion, layout: Layout, card: string): MemoryPart[] {
  const lanes = question.devices.filter(device => cardOf(device) === card).length
  const each = lanes === 1 ? '' : `, of ${lanes} lanes`
  const updated = layout.workspace.matrices.filter(({ onDevice }) => onDevice)
  const held = updated.reduce((sum, { rows, cols }) => sum + rows * cols, 0)
  const initial = question.network.init === 'subtract' ? 0 : held
  const block = Math.max(0, ...updated.map(m => Math.min(UPDATE_BLOCK, m.rows * m.cols)))
  const factors = Math.max(
    0,
    ...updated.map(m => question.batch * layout.workspace.points * (m.rows + m.cols)),
  )
  const work = 4 * (plainNumbers(layout.work) + block + factors) * HOLES.card
  return [
    part(
      'weights',
      lanes * residentNumbers(question, layout),
      `the matrices that passes read${each}`,
    ),
    part('update', lanes * (held + initial), `D and W_0 of those that the card updates${each}`),
    estimate('shards', lanes * work, `what an attack or an update has in work${each}`),
    estimate('context', CONTEXT, 'the driver’s and cuBLAS’s own: an allowance'),
  ].filter(({ bytes }) => bytes > 0)
}

/** Numbers of the matrices that passes read, which a backend with a memory of its own keeps there. */
function residentNumbers({ network, comparator }: MemoryQuestion, { footprint }: Layout): number {
  const { weights, initial, frozen } = footprint
  const read = weights + (network.init === 'subtract' ? initial : 0) + frozen
  return comparator ? 2 * read : read
}

function roomOf(name: string, parts: readonly MemoryPart[]): MemoryRoom {
  return { name, parts, exact: bytesOf(parts.filter(({ exact }) => exact)), total: bytesOf(parts) }
}

function bytesOf(parts: readonly MemoryPart[]): number {
  return parts.reduce((total, { bytes }) => total + bytes, 0)
}

function part(name: string, numbers: number, note: string): MemoryPart {
  return { name, bytes: 4 * numbers, exact: true, note }
}

function estimate(name: string, bytes: number, note: string): MemoryPart {
  return { name, bytes: Math.round(bytes), exact: false, note }
}
