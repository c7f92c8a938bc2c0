import type { Task } from './messages.js'

/** What the newest measurement counts for. */
const WEIGHT = 0.3

/** What an estimate loses every time that its device is passed over, so that a device is tried again some time. */
const FADING = 0.99

/**
 * Seconds that devices take for a unit of work, measured as a run goes: for every device, kind of task and, for the
 * update, matrix. Workers on devices of one name share an estimate.
 */
export class Paces {
  readonly #paces = new Map<string, Map<string, number>>()
  /** Kinds of task that a thread has done: the first of a kind loads, compiles and is not measured. */
  readonly #done = new Map<number, Set<string>>()

  /** A thread has done a task in so many seconds. */
  measured(thread: number, device: string | null, task: Task, seconds: number): void {
    const kind = kindOf(task)
    const done = this.#done.get(thread) ?? new Set()
    this.#done.set(thread, done)
    if (device === null || !done.has(kind)) {
      done.add(kind)
      return
    }
    const paces = this.#paces.get(kind) ?? new Map<string, number>()
    this.#paces.set(kind, paces)
    const pace = seconds / unitsOf(task)
    const before = paces.get(device) ?? pace
    paces.set(device, before + WEIGHT * (pace - before))
  }

  /** Seconds a unit; of a device that was not measured yet, those of the fastest. */
  of(device: string | null, task: Task): number {
    const paces = this.#paces.get(kindOf(task))
    if (paces === undefined) return 1
    const known = device === null ? undefined : paces.get(device)
    return known ?? Math.min(...paces.values())
  }

  /** A free worker on this device was left without a task. */
  passedOver(device: string | null, task: Task): void {
    const paces = this.#paces.get(kindOf(task))
    const pace = device === null ? undefined : paces?.get(device)
    if (pace !== undefined) paces!.set(device!, FADING * pace)
  }

  /** The thread has ended. */
  forget(thread: number): void {
    this.#done.delete(thread)
  }
}

/** Tasks of one kind take a device the same time a unit. */
function kindOf(task: Task): string {
  return 'matrix' in task ? `${task.kind} ${task.matrix}` : task.kind
}

/** Units of work in a task: examples, rows of a matrix, or a whole matrix. */
export function unitsOf(task: Task): number {
  return 'start' in task ? task.stop - task.start : 1
}
