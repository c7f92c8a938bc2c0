import { createHash } from 'node:crypto'
import {
  initialRegret,
  type Parameters,
  type RegretState,
  reportRegret,
  SaddleError,
  stepSizeAt,
  updateRegret,
} from '@saddle/core'
import type { Logger } from 'winston'
import { writeCheckpoint } from '../checkpoint/checkpoint.js'
import { FORMAT } from '../checkpoint/manifest.js'
import type { Config } from '../config/schema.js'
import { type Device, kindsOf, shardsInFlight } from '../devices/device.js'
import { createSlots } from '../devices/slots.js'
import { MappedMemory } from '../memory/mapped.js'
import { bytesOfArrays, describeArrays, moveArrays } from '../memory/move.js'
import { describe, WorkerPool } from '../pool/pool.js'
import { createWorkspace, formsOf, type Workspace } from '../replica/workspace.js'
import type { RunSummary, StepRecord, TrainEvent } from '../run/events.js'
import { writeJsonAtomic } from '../run/folder.js'
import { MetricsLog } from '../run/metrics.js'
import { tensorsOf } from '../run/network.js'
import { chooseSplit, type Split } from '../team/split.js'
import { createTeam, type Team } from '../team/team.js'
import { version } from '../version.js'
import { evaluatePart } from './evaluate.js'
import type { Prepared } from './prepare.js'
import { ShardProgress } from './progress.js'
import type { RunOptions } from './run.js'
import { trainStep } from './step.js'
import { bringHome } from './update.js'

/** What a run remembers from step to step; all of it is in every checkpoint. */
interface Progress {
  step: number
  projectedSteps: number
  bestLoss: number
  worstDistance: number
  seconds: number
  regret: RegretState
}

/** One run at work: its workers, its metrics, and what it remembers from step to step. */
export class Session implements Disposable {
  readonly workers: number
  readonly split: Split
  readonly workspace: Workspace
  readonly progress: Progress
  readonly #team: Team | null
  readonly #dir: string
  readonly #config: Config
  readonly #options: RunOptions
  readonly #prepared: Prepared
  readonly #devices: readonly Device[]
  readonly #logger: Logger
  /** [0] is 1 once the run is to stop. */
  readonly #signals = { stop: new Int32Array(new SharedArrayBuffer(4)) }
  /** Where weights, data and gradients lie if other processes are to see them. */
  readonly #memory: MappedMemory | null
  readonly #emit: (event: TrainEvent) => void

  constructor(
    dir: string,
    config: Config,
    options: RunOptions,
    prepared: Prepared,
    devices: readonly Device[],
    logger: Logger,
  ) {
    this.#dir = dir
    this.#config = config
    this.#options = options
    this.#prepared = prepared
    this.#devices = devices
    this.#logger = logger
    this.#emit = options.onEvent ?? (() => {})
    this.workers = devices.length
    const { count } = prepared.data.train
    const { parameters, network } = prepared
    const { shard, window, split } = config.compute
    const batch = config.descent.batch === 'full' ? count : Math.min(config.descent.batch, count)
    const choice = { asked: split, attack: config.attack, batch, shard }
    this.split = chooseSplit(network.spec, formsOf(parameters, batch), choice)
    const asTeam = this.split.by === 'neurons'
    const { inputs, outputs } = network.spec
    this.#team = asTeam
      ? createTeam(parameters, { examples: Math.min(shard, batch), inputs, outputs })
      : null
    this.workspace = createWorkspace(parameters, {
      examples: count,
      batch,
      shard,
      windowBytes: window,
      inFlight: asTeam ? Number(batch > shard) : shardsInFlight(devices),
      onDevice: config.compute.update === 'device' && !asTeam,
    })
    this.#memory = devices.some(device => device.process !== null) ? this.#share() : null
    const { checkpoint } = prepared
    this.progress = {
      step: checkpoint?.step ?? 0,
      projectedSteps: checkpoint?.projectedSteps ?? 0,
      bestLoss: checkpoint?.bestLoss ?? Number.POSITIVE_INFINITY,
      worstDistance: checkpoint?.worstDistance ?? 0,
      seconds: checkpoint?.seconds ?? 0,
      regret: (checkpoint?.regret as RegretState | null | undefined) ?? initialRegret,
    }
  }

  /** Moves all that workers see into memory that processes share. */
  #share(): MappedMemory {
    const { parameters, comparator, data } = this.#prepared
    const parts = [parameters, comparator, data, this.workspace, this.#signals].filter(
      p => p !== null,
    )
    const memory = MappedMemory.create(bytesOfArrays(parts))
    moveArrays(parts, memory)
    return memory
  }

  /** To be called when the run is over: weights that processes shared can't be read afterwards. */
  [Symbol.dispose](): void {
    this.#memory?.[Symbol.dispose]()
  }

  async finish(): Promise<RunSummary> {
    const { signal } = this.#options
    const onAbort = () => Atomics.store(this.#signals.stop, 0, 1)
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort)
    const shards = new ShardProgress(
      (step, done, total) => this.#emit({ kind: 'shard', step, done, total }),
      (slot, device, lane) => this.#logger.info('worker ready', { slot, device, ...lane }),
    )
    const metrics = MetricsLog.open(this.#dir, {
      truncateTo: this.#prepared.checkpoint?.metricsBytes ?? 0,
    })
    try {
      await using pool = this.#startPool(shards)
      const stopped = await this.#steps(pool, metrics, shards)
      return await this.#conclude(pool, stopped)
    } finally {
      signal?.removeEventListener('abort', onAbort)
      metrics.close()
    }
  }

  #startPool(host: ShardProgress): WorkerPool {
    const { parameters, comparator, data } = this.#prepared
    const { workerFile, laneFile, heapMiB } = this.#options
    const memory = this.#memory
    return new WorkerPool(
      describeArrays({
        devices: this.#devices,
        slots: createSlots(this.workers),
        memory: memory && { address: memory.address, bytes: memory.bytes, fd: memory.fd },
        deadline: this.#config.compute.deadline,
        laneFile: laneFile?.href ?? null,
        heapMiB: heapMiB ?? null,
        stop: this.#signals.stop,
        seed: this.#config.seed,
        network: this.#prepared.network.spec,
        parameters,
        comparator,
        loss: this.#config.loss,
        set: this.#config.perturbation,
        precision: this.#config.compute.precision,
        train: data.train,
        test: data.test,
        workspace: this.workspace,
        team: this.#team,
      }),
      {
        workers: this.workers,
        retries: this.#config.compute.retries,
        host,
        onLost: (task, reason, attempt) => {
          this.#logger.warn('worker lost', { task: describe(task), reason, attempt })
          this.#emit({ kind: 'worker-lost', reason, task: describe(task), attempt })
        },
        ...(workerFile === undefined ? {} : { workerFile }),
        ...(heapMiB === undefined ? {} : { heapMiB }),
      },
    )
  }

  /** Steps to the end or to a request to stop; true if stopped. The last step always has a checkpoint. */
  async #steps(pool: WorkerPool, metrics: MetricsLog, shards: ShardProgress): Promise<boolean> {
    const { config, network, loss, parameters, data } = { config: this.#config, ...this.#prepared }
    const { descent, attack, compute, checkpoints, seed } = config
    const context = {
      pool,
      network,
      parameters,
      workspace: this.workspace,
      team: this.#team,
      seed,
      examples: data.train.count,
      batch: descent.batch,
      shard: compute.shard,
      attack,
      radius: descent.radius,
      stepSize: (step: number) => stepSizeAt(descent.stepSize, step, descent.steps, network, loss),
      onShard: (step: number, done: number, total: number) => shards.shard(step, done, total),
    }
    const save = async () => {
      await bringHome(pool, parameters, this.workspace)
      await this.#save(metrics)
    }
    let saved = this.progress.step
    while (this.progress.step < descent.steps) {
      const record = await this.#unlessStopped(() => trainStep(context, this.progress.step))
      if (record === null) break
      this.#take(record)
      metrics.append(record)
      this.#emit({ kind: 'step', record, steps: descent.steps })
      const { step } = this.progress
      if (step % checkpoints.every === 0 || step === descent.steps) {
        await save()
        saved = step
      }
    }
    const stopped = this.#signals.stop[0] === 1
    if (stopped && (saved < this.progress.step || this.#prepared.checkpoint === null)) await save()
    return stopped
  }

  /** Null if the run was asked to stop before or during `work`; W_t is then as before it. */
  async #unlessStopped<T>(work: () => Promise<T>): Promise<T | null> {
    // Lets signals and progress through between two steps.
    await new Promise(setImmediate)
    if (Atomics.load(this.#signals.stop, 0) === 1) return null
    try {
      return await work()
    } catch (error) {
      if (error instanceof SaddleError && error.code === 'STOPPED') return null
      throw error
    }
  }

  #take(record: StepRecord): void {
    const { progress } = this
    progress.step = record.step + 1
    progress.projectedSteps += record.projected ? 1 : 0
    progress.bestLoss = Math.min(progress.bestLoss, record.loss)
    progress.worstDistance = Math.max(...record.distances.map(d => d.distance))
    progress.seconds += record.seconds
    if (record.regret !== undefined)
      progress.regret = updateRegret(progress.regret, record.regret, record)
  }

  async #save(metrics: MetricsLog): Promise<void> {
    const { parameters, network, data, configHash } = this.#prepared
    metrics.flush()
    const path = await writeCheckpoint(
      this.#dir,
      {
        format: FORMAT,
        ...this.progress,
        network: network.spec,
        configHash,
        dataHash: data.hash,
        metricsBytes: metrics.bytes,
        saddle: version,
        node: process.version,
      },
      tensorsOf(parameters),
      this.#config.checkpoints.keep,
    )
    this.#logger.info('checkpoint', { step: this.progress.step, path })
    this.#emit({ kind: 'checkpoint', step: this.progress.step, path })
  }

  async #conclude(pool: WorkerPool, stoppedBefore: boolean): Promise<RunSummary> {
    const { data, loss, parameters } = this.#prepared
    const { evaluation, compute, descent, attack, name } = this.#config
    const evaluate = async (part: 'train' | 'test', count: number) =>
      stoppedBefore
        ? null
        : this.#unlessStopped(() =>
            evaluatePart(pool, part, count, compute.shard, evaluation.attack, (done, total) =>
              this.#emit({ kind: 'evaluate', part, done, total }),
            ),
          )
    const train = await evaluate('train', data.train.count)
    const test = data.test === null ? null : await evaluate('test', data.test.count)
    await bringHome(pool, parameters, this.workspace)
    const { progress } = this
    const summary: RunSummary = {
      name,
      status: this.#signals.stop[0] === 1 ? 'stopped' : 'done',
      steps: descent.steps,
      stepsDone: progress.step,
      train,
      test,
      worstDistance: progress.worstDistance,
      radius: descent.radius,
      projectedShare: progress.step === 0 ? 0 : progress.projectedSteps / progress.step,
      bestLoss: progress.bestLoss,
      regret: reportRegret(progress.regret),
      seconds: progress.seconds,
      backend: kindsOf(this.#devices).join('+'),
      workers: this.workers,
      precision: compute.precision,
      attack,
      evaluationAttack: evaluation.attack,
      errorBound: train === null ? null : Math.min(1, train.robustLoss / loss.wrongAtLeast),
      weights: hashOf(parameters),
      saddle: version,
      node: process.version,
    }
    await writeJsonAtomic(`${this.#dir}/summary.json`, summary)
    return summary
  }
}

/** SHA-256 over all trained matrices, in order: equal for equal runs, whatever ran them. */
function hashOf({ trained }: Parameters): string {
  const hash = createHash('sha256')
  for (const { weights } of trained)
    hash.update(
      new Uint8Array(weights.data.buffer, weights.data.byteOffset, weights.data.byteLength),
    )
  return hash.digest('hex')
}
