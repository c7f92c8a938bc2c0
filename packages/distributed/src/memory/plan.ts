import { totalmem } from 'node:os'
import { footprintOf, type NetworkSpec } from '@saddle/core'
import { planWorkspace } from '../replica/workspace.js'

/** A run as far as its memory goes. */
export interface MemoryQuestion {
  readonly network: Omit<NetworkSpec, 'activation'>
  /** Training examples, all of them in one batch. */
  readonly examples: number
  readonly shard: number
  readonly window: number
  readonly workers: number
}

/** What one thing takes, in bytes. */
interface MemoryPart {
  readonly name: string
  readonly bytes: number
  readonly note: string
}

/** What a run takes on one machine, in bytes. */
export interface MemoryPlan {
  readonly width: number
  /** Held once, whatever the number of workers. */
  readonly shared: readonly MemoryPart[]
  /** Held by each worker. */
  readonly worker: readonly MemoryPart[]
  readonly workers: number
  readonly total: number
}

/** Measured: a thread with its JavaScript engine and backend, and the process that all of them live in. */
const THREAD = 44 * 2 ** 20
const PROCESS = 120 * 2 ** 20

/**
 * Arrays [shard, m] that a layer has in work during an attack on `blas`: pre-activations, activations, signals and
 * the follower's copies of them. Measured, not counted: see docs/devices.md.
 */
const ARRAYS = 8

/** What a run needs: shapes give the shared part exactly, what a worker has in work is an estimate. */
export function planMemory(question: MemoryQuestion): MemoryPlan {
  const { network, examples, shard, window, workers } = question
  const { trained, weights, initial, frozen } = footprintOf(network)
  const buffers = planWorkspace(trained, {
    examples,
    batch: examples,
    shard,
    windowBytes: window,
    inFlight: workers + 1,
  })
  const travelling = buffers.matrices.reduce(
    (sum, m) => sum + m.signals + m.inputs + m.staging.count * m.staging.length + m.sum + m.journal,
    buffers.order,
  )
  const { inputs: d, width, depth } = network
  const inWork = Math.min(shard, examples) * (ARRAYS * width * depth + ARRAYS * d)
  const block = Math.max(...trained.map(({ cols }) => Math.max(2 ** 19, 8 * cols)))
  const shared = [
    { name: 'W', bytes: 4 * weights, note: 'weights' },
    {
      name: 'W_0',
      bytes: 4 * initial,
      note: 'where they started; copies that start alike share it',
    },
    { name: 'D', bytes: 4 * weights, note: 'W − W_0, which is optimised' },
    { name: 'frozen', bytes: 4 * frozen, note: 'matrices that are not trained' },
    { name: 'data', bytes: 4 * examples * (d + 1), note: 'training inputs and labels' },
    { name: 'gradients', bytes: 4 * travelling, note: 'on their way, as factors or dense' },
    { name: 'program', bytes: PROCESS, note: 'Node and the coordinator' },
  ]
  const worker = [
    { name: 'shard', bytes: 4 * inWork, note: 'estimate of what an attack has in work' },
    { name: 'update', bytes: 4 * block, note: 'a block of the gradient' },
    { name: 'program', bytes: THREAD, note: 'its thread; a process of its own takes more' },
  ]
  const total = sumOf(shared) + workers * sumOf(worker)
  return { width, shared, worker, workers, total }
}

/** The largest even width whose plan takes at most `bytes`; 0 if none does. */
export function largestWidth(question: MemoryQuestion, bytes: number): number {
  const fits = (half: number) =>
    planMemory({ ...question, network: { ...question.network, width: 2 * half } }).total <= bytes
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

/** Bytes that this process may use: the machine's, or what a container was given of them. */
export function usableMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0
  return limit > 0 ? Math.min(totalmem(), limit) : totalmem()
}

function sumOf(parts: readonly MemoryPart[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0)
}
