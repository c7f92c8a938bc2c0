import { loadData, type NetworkSpec, networkFrom } from '@saddle/core'
import type { Config } from '../config/schema.js'
import { chooseDevices, type Wanted } from '../devices/resolve.js'
import { updateFor } from '../devices/update.js'
import { expectedCost } from '../recipes/cost.js'
import { networkOf } from '../run/network.js'
import { type CardMemory, memoryQuestion, roomBytes } from './check.js'
import { largestWidth, type MemoryQuestion, type MemoryRoom, planMemory } from './plan.js'

/** What a run would take of every memory, what there is of it, and how wide the network could be. Plain JSON. */
export interface RunPlan {
  readonly width: number
  /** What computes, one a worker. */
  readonly devices: readonly string[]
  readonly split: 'examples' | 'neurons'
  readonly rooms: readonly PlannedRoom[]
  /** Passes that the training takes, at most; null for a network without a training. */
  readonly cost: RunCost | null
  /** The largest width that fits all of them; null if it isn't known of any what it has. */
  readonly largestWidth: number | null
}

/** Forward–backward passes, at most: of an example in the dearest step, and of all examples in all steps. */
interface RunCost {
  readonly perStep: number
  readonly passes: number
}

export interface PlannedRoom extends MemoryRoom {
  /** Bytes that it has; null where nobody knows. */
  readonly available: number | null
  readonly largestWidth: number | null
}

export interface PlanOptions {
  readonly workers?: number
  /** What relative paths in the configuration are relative to; default: the current folder. */
  readonly directory?: string
}

/**
 * Plans the memory of a configured run on the devices that are here: loads them and the data, draws no weights and writes nothing.
 *
 * @throws SaddleError BACKEND, DATA, CONFIG as training would.
 */
export async function planRun(config: Config, options: PlanOptions = {}): Promise<RunPlan> {
  const { compute } = config
  const { devices, cards } = await chooseDevices({
    ...compute,
    workers: options.workers ?? compute.workers,
  })
  const directory = options.directory ?? process.cwd()
  const data = await loadData(config.data, { seed: config.seed, directory })
  const update = await updateFor(compute, devices)
  const resolved = { ...config, compute: { ...compute, update } }
  const question = memoryQuestion(resolved, networkOf(config, data).spec, data, devices)
  const { perStep, total } = expectedCost(config.attack, config.descent.steps, config.network.depth)
  return planned(question, cards, { perStep, passes: total * question.batch })
}

/** A network without a configuration: full batches of so many examples, and every setting at its default. */
export interface NetworkQuestion extends Wanted {
  readonly network: NetworkSpec
  readonly examples: number
  /** K of the attack, which decides what workers share out. */
  readonly attackSteps: number
}

/** The same for a network alone. @throws SaddleError BACKEND, CONFIG for devices that are not here, RANGE for sizes. */
export async function planNetwork(question: NetworkQuestion): Promise<RunPlan> {
  const { network, examples, attackSteps: steps, ...wanted } = question
  const { devices, cards } = await chooseDevices(wanted)
  const attack = { kind: 'pgd', steps, restarts: 1, objective: 'loss' } as Config['attack']
  const sizes = { examples, batch: examples, testExamples: 0, shard: 128, window: 2 ** 28 }
  const update = await updateFor({ update: 'auto', split: 'auto' }, devices)
  const asked = { split: 'auto', update, attack, comparator: false } as const
  return planned({ network: networkFrom(network).spec, ...sizes, ...asked, devices }, cards, null)
}

function planned(question: MemoryQuestion, cards: CardMemory, cost: RunCost | null): RunPlan {
  const { width, split, rooms } = planMemory(question)
  const all = rooms.map((room): PlannedRoom => {
    const available = roomBytes(room, cards)
    const widest = available === null ? null : largestWidth(question, room.name, available)
    return { ...room, available, largestWidth: widest }
  })
  const widths = all.flatMap(room => room.largestWidth ?? [])
  return {
    width,
    devices: question.devices.map(({ id }) => id),
    split,
    rooms: all,
    cost,
    largestWidth: widths.length === 0 ? null : Math.min(...widths),
  }
}
