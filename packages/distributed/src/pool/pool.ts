import { type Backend, fromWire, requireBackend, SaddleError } from '@saddle/core'
import * as Comlink from 'comlink/dist/esm/comlink.mjs'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { Piscina } from 'piscina'
import { freeSlots, slotOf } from '../devices/slots.js'
import type { Ranks } from '../ranks/ranks.js'
import { relayed } from '../ranks/relay.js'
import { assemble, breakUp, brokenUp, isBrokenUp, type Team } from '../team/team.js'
import { Dealer } from './dealer.js'
import type {
  AnySetup,
  ArrivedMessage,
  ChannelMessage,
  Host,
  Replies,
  Task,
  TeamOrder,
  TogetherTask,
} from './messages.js'

export interface PoolOptions {
  readonly workers: number
  /** Times a task is done again after its worker died or failed in it. */
  readonly retries: number
  /** Calls that workers make: progress and readiness. */
  readonly host: Host
  /** Told of every attempt that failed, before the task is done again. */
  readonly onLost: (task: Task, reason: string, attempt: number) => void
  /** The worker's module; the default is Saddle's own. It must hand tasks to `doorbell`. */
  readonly workerFile?: URL
  /** Limit of a worker's JavaScript heap in MiB; typed arrays don't count. */
  readonly heapMiB?: number
}

/** Failures that doing the task again cannot mend: they are the caller's at once. */
const FINAL = new Set(['STOPPED', 'CONFIG', 'NUMERIC', 'SHAPE', 'RANGE', 'DATA', 'BACKEND'])

/** How often a team at work is looked at for threads that are gone. */
const WATCH_MS = 250

/**
 * One worker thread a device, tasks dealt to whichever is expected to finish them first. A task whose worker threw,
 * exited or ran out of memory is done again by another; nothing it may have half-written matters, since tasks only overwrite, or keep a
 * journal.
 */
export class WorkerPool implements AsyncDisposable {
  readonly size: number
  readonly #piscina: Piscina
  readonly #options: PoolOptions
  readonly #watched = new Set<number>()
  /** Settled when the thread of each that is watched has ended. */
  readonly #ends: Promise<void>[] = []
  /** Those that its threads compute on. */
  readonly #backends: readonly Backend[]
  readonly #broken: Promise<never>
  readonly #stop: AnySetup['stop']
  /** Called when the members of a team have come to a round. */
  #onArrived = () => {}
  readonly #dealer: Dealer
  /** The thread that the task being handed to Piscina is for; null: any. */
  #chosen: number | null = null

  constructor(setup: AnySetup, options: PoolOptions) {
    this.size = options.workers
    this.#options = options
    this.#stop = setup.stop
    const { slots, devices } = setup
    this.#backends = [...new Set(devices.map(({ backend }) => backend))].map(requireBackend)
    for (const backend of this.#backends) backend.keepAccount?.()
    const filename = options.workerFile ?? new URL('./saddle.worker.js', import.meta.url)
    this.#piscina = new Piscina({
      filename: filename.href,
      minThreads: options.workers,
      maxThreads: options.workers,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      // Comlink's answers must reach a worker between tasks, which a thread asleep in Atomics.wait can't take.
      atomics: 'async',
      workerData: setup,
      loadBalancer: (_task, workers) => {
        const free = workers.filter(({ currentUsage }) => currentUsage === 0)
        return free.find(({ id }) => id === this.#chosen) ?? free[0] ?? null
      },
      ...(options.heapMiB === undefined
        ? {}
        : { resourceLimits: { maxOldGenerationSizeMb: options.heapMiB } }),
    })
    this.#dealer = new Dealer({
      size: options.workers,
      start: (thread, task) => this.#hand(task, thread < 0 ? null : thread),
      deviceOf: thread => devices[slotOf(slots, thread)]?.id ?? null,
    })
    this.#piscina.on('workerCreate', ({ id }: { id: number }) => {
      this.#watch(setup)
      // Piscina counts a worker as ready once this event is over.
      queueMicrotask(() => this.#dealer.join(id))
    })
    this.#piscina.on('message', (message: Partial<ChannelMessage & ArrivedMessage>) => {
      if (message.saddleArrived === true) this.#onArrived()
      if (message.saddleChannel === undefined) return
      message.saddleChannel.unref()
      Comlink.expose(options.host, nodeEndpoint(message.saddleChannel))
    })
    // Piscina stops replacing workers once one died before it was up; with none left, tasks would wait for ever.
    this.#broken = new Promise((_, reject) => {
      this.#piscina.on('error', error => {
        if (this.#piscina.threads.length > 0) return
        const reason = reasonOf(error)
        reject(new SaddleError('WORKER', `No worker thread can start: ${reason}.`, { reason }))
      })
    })
    this.#broken.catch(() => {})
  }

  /**
   * Runs a task on the worker that is expected to finish it first, again if its worker is lost.
   *
   * @param later tasks of this kind that are still to come, beyond those that were given to this method: with many of
   *   them slow workers are of use.
   * @throws SaddleError WORKER when it was lost `retries` + 1 times; what the task itself threw, if that is final.
   */
  run<K extends Task['kind']>(task: Task & { readonly kind: K }, later = 0): Promise<Replies[K]> {
    const attempt = () => Promise.race([this.#dealer.run(task, later), this.#broken])
    return this.#retried(task, attempt as () => Promise<Replies[K]>)
  }

  /**
   * Runs a task on all workers at once, each with its own slices of the neurons; no other task may be under way. If
   * one of them is lost the others are sent home, and all do the task again. Where several ranks hold neurons, all of
   * them must call this for the same task.
   *
   * @throws SaddleError as `run`; STOPPED if a rank was asked to stop, or failed.
   */
  runTeam<T extends TeamOrder>(team: Team, ranks: Ranks, task: T): Promise<Replies[T['kind']]> {
    const whole: TogetherTask = { ...(task as TeamOrder), member: 0, members: this.size }
    const attempt = () => this.#together(team, whole) as Promise<Replies[T['kind']]>
    if (ranks.size === 1) return this.#retried(whole, attempt)
    let attempts = 0
    return relayed(ranks, team, {
      attempt,
      arrived: () =>
        new Promise(resolve => {
          this.#onArrived = resolve
        }),
      stopAsked: () => Atomics.load(this.#stop, 0) === 1,
      lost: error => this.#forgive(whole, error, ++attempts),
    })
  }

  async #retried<T>(task: Task, attemptOnce: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await attemptOnce()
      } catch (error) {
        this.#forgive(task, error, attempt)
      }
    }
  }

  /** Tells of an attempt that failed, unless it was the last. */
  #forgive(task: Task, error: unknown, attempt: number): void {
    const { retries, onLost } = this.#options
    const known = fromWire(error)
    if (known !== null && FINAL.has(known.code)) throw known
    const reason = reasonOf(error)
    if (attempt > retries)
      throw new SaddleError(
        'WORKER',
        `Workers failed ${attempt} times on the same ${task.kind} task (${describe(task)}); the last reason was: ` +
          `${reason}. ${adviceOn(task)}`,
        { task: task.kind, attempts: attempt, reason },
      )
    onLost(task, reason, attempt)
  }

  /** Hands a task to Piscina, for one thread or for any that is free. */
  #hand(task: Task, thread: number | null): Promise<unknown> {
    this.#chosen = thread
    try {
      return this.#piscina.run(task)
    } finally {
      this.#chosen = null
    }
  }

  /** An attempt of a team, to its end: nobody is left at work when it returns or throws. */
  async #together(team: Team, task: TogetherTask): Promise<Replies[TogetherTask['kind']]> {
    const threads = () => this.#piscina.threads.length
    const members = Math.max(1, Math.min(threads(), team.slices.length))
    assemble(team)
    // A thread that ends before it was up rejects no task: the others would wait for it for ever.
    const watch = setInterval(() => {
      if (threads() < members) breakUp(team)
    }, WATCH_MS)
    const jobs = Array.from({ length: members }, (_, member) =>
      Promise.race([this.#hand({ ...task, member, members }, null), this.#broken]).catch(error => {
        breakUp(team)
        throw error
      }),
    )
    const outcomes = await Promise.allSettled(jobs)
    clearInterval(watch)
    const failures = outcomes.flatMap(o => (o.status === 'rejected' ? [o.reason as unknown] : []))
    const reason = failures.find(error => !isBrokenUp(fromWire(error)))
    if (reason !== undefined) throw reason
    // Nobody failed, there were fewer threads than members: those that are left are the team. Or another rank's team
    // begins anew.
    if (failures.length > 0 && team.nodes.length > 1) throw brokenUp()
    if (failures.length > 0) return this.#together(team, task)
    return (outcomes[0] as PromiseFulfilledResult<Replies[TogetherTask['kind']]>).value
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dealer.close(new Error('The pool of workers was closed.'))
    await this.#piscina.destroy()
    // A thread that was lost just before is none of Piscina's any more.
    await Promise.all(this.#ends)
  }

  /** Frees a thread's slot, and its memory on devices, when it has really ended, which `workerDestroy` does not say. */
  #watch({ slots }: AnySetup) {
    for (const thread of this.#piscina.threads) {
      const { threadId } = thread
      if (threadId < 0 || this.#watched.has(threadId)) continue
      this.#watched.add(threadId)
      const end = new Promise<void>(resolve => {
        thread.once('exit', () => {
          this.#dealer.leave(threadId)
          freeSlots(slots, threadId)
          resolve(this.#reclaim(threadId))
        })
      })
      this.#ends.push(end)
    }
  }

  /** A failure is the device's, which nobody computes on any more. */
  async #reclaim(threadId: number): Promise<void> {
    await Promise.allSettled(this.#backends.map(backend => backend.reclaim?.(threadId)))
  }
}

/** The task as people name it: `examples 128–256 of step 12`. */
export function describe(task: Task): string {
  switch (task.kind) {
    case 'attack':
    case 'team':
      return `examples ${task.start}–${task.stop} of step ${task.step}`
    case 'evaluate':
    case 'team-evaluate':
      return `${task.part} examples ${task.start}–${task.stop}`
    case 'clean':
      return `examples ${task.start}–${task.stop} without an attack`
    case 'search':
      return `examples ${task.start}–${task.stop} under attack ${task.attack + 1}`
    case 'propose-on-device':
    case 'fetch':
      return `matrix ${task.matrix} on a device`
    default:
      return `rows ${task.start}–${task.stop} of matrix ${task.matrix}`
  }
}

function adviceOn({ kind }: Task): string {
  return kind === 'clean' || kind === 'search'
    ? 'What is finished is kept: give the same command again, with fewer workers if they run out of memory.'
    : 'The last checkpoint is intact. If workers run out of memory, lower compute.shard or compute.workers; then ' +
        '`saddle resume` the run.'
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
