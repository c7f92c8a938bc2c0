import type { Logger } from 'winston'
import type { Config } from '../config/schema.js'
import type { Device } from '../devices/device.js'
import { createSlots } from '../devices/slots.js'
import { MappedMemory } from '../memory/mapped.js'
import { bytesOfArrays, describeArrays, moveArrays } from '../memory/move.js'
import { describe, WorkerPool } from '../pool/pool.js'
import type { Outcome, Ranks } from '../ranks/ranks.js'
import type { RunSummary, TrainEvent } from '../run/events.js'
import { MetricsLog } from '../run/metrics.js'
import { conclude } from './conclude.js'
import { type History, historyFrom } from './history.js'
import type { Prepared } from './prepare.js'
import { ShardProgress } from './progress.js'
import type { RunOptions } from './run.js'
import type { Arrangement } from './sharing.js'
import { takeSteps } from './steps.js'
import { watchStuck } from './stuck.js'

/** What a session is made of. */
export interface SessionParts {
  readonly dir: string
  readonly config: Config
  readonly options: RunOptions
  readonly prepared: Prepared
  readonly devices: readonly Device[]
  readonly ranks: Ranks
  readonly arrangement: Arrangement
  readonly logger: Logger
}

/** One run at work on this rank: its workers, its metrics, and what it remembers from step to step. */
export class Session implements Disposable {
  readonly parts: SessionParts
  readonly history: History
  readonly emit: (event: TrainEvent) => void
  /** Whether all ranks agreed to stop. */
  stopped = false
  /** Whether a checkpoint is being written, during which ranks wait for each other's disks. */
  saving = false
  /** [0] is 1 once this rank is asked to stop. */
  readonly #signals = { stop: new Int32Array(new SharedArrayBuffer(4)) }
  /** Where weights, data and gradients lie if other processes are to see them. */
  readonly #memory: MappedMemory | null

  constructor(parts: SessionParts) {
    this.parts = parts
    this.emit = parts.options.onEvent ?? (() => {})
    this.history = historyFrom(parts.prepared.checkpoint)
    this.#memory = parts.devices.some(device => device.process !== null) ? this.#share() : null
  }

  /** Moves all that workers see into memory that processes share. */
  #share(): MappedMemory {
    const { prepared, arrangement } = this.parts
    const { parameters, comparator, data } = prepared
    const shared = [parameters, comparator, data, arrangement.workspace, this.#signals].filter(
      p => p !== null,
    )
    const memory = MappedMemory.create(bytesOfArrays(shared))
    moveArrays(shared, memory)
    return memory
  }

  /** To be called when the run is over: weights that processes shared can't be read afterwards. */
  [Symbol.dispose](): void {
    this.#memory?.[Symbol.dispose]()
  }

  async finish(): Promise<RunSummary> {
    const { dir, options, prepared, ranks, logger } = this.parts
    const { signal } = options
    const onAbort = () => Atomics.store(this.#signals.stop, 0, 1)
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort)
    using _ = watchStuck(this)
    const shards = new ShardProgress(
      (step, done, total) => this.emit({ kind: 'shard', step, done, total }),
      (slot, device, lane) => logger.info('worker ready', { slot, device, ...lane }),
    )
    const metrics = await ranks.together(() =>
      ranks.isFirst
        ? MetricsLog.open(dir, { truncateTo: prepared.checkpoint?.metricsBytes ?? 0 })
        : null,
    )
    try {
      await using pool = this.#startPool(shards)
      await takeSteps(this, pool, metrics, shards)
      return await conclude(this, pool)
    } finally {
      signal?.removeEventListener('abort', onAbort)
      metrics?.close()
    }
  }

  /** Whether this rank is asked to stop. */
  get asked(): boolean {
    return Atomics.load(this.#signals.stop, 0) === 1
  }

  /**
   * Tells the ranks what came of this one's work, and hears whether one of them was asked to stop; then all stop here.
   *
   * @throws on all ranks what one of them failed with
   */
  async agree(outcome: Outcome): Promise<void> {
    // Lets signals and progress through between two steps.
    await new Promise(setImmediate)
    if (await this.parts.ranks.agree({ stop: this.asked, ...outcome })) this.stopped = true
  }

  #startPool(host: ShardProgress): WorkerPool {
    const { config, options, prepared, devices, arrangement, logger } = this.parts
    const { parameters, comparator, data, network } = prepared
    const { workerFile, laneFile, heapMiB } = options
    const memory = this.#memory
    return new WorkerPool(
      describeArrays({
        devices,
        slots: createSlots(devices.length),
        memory: memory && { address: memory.address, bytes: memory.bytes, fd: memory.fd },
        deadline: config.compute.deadline,
        laneFile: laneFile?.href ?? null,
        heapMiB: heapMiB ?? null,
        stop: this.#signals.stop,
        seed: config.seed,
        network: network.spec,
        parameters,
        comparator,
        loss: config.loss,
        set: config.perturbation,
        precision: config.compute.precision,
        train: data.train,
        test: data.test,
        workspace: arrangement.workspace,
        team: arrangement.sharing.team,
      }),
      {
        workers: devices.length,
        retries: config.compute.retries,
        host,
        onLost: (task, reason, attempt) => {
          logger.warn('worker lost', { task: describe(task), reason, attempt })
          this.emit({ kind: 'worker-lost', reason, task: describe(task), attempt })
        },
        ...(workerFile === undefined ? {} : { workerFile }),
        ...(heapMiB === undefined ? {} : { heapMiB }),
      },
    )
  }
}
