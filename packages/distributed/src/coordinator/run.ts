import { hostname } from 'node:os'
import { SaddleError } from '@saddle/core'
import { commonHash } from '../config/hash.js'
import type { Config } from '../config/schema.js'
import { kindsOf } from '../devices/device.js'
import { requirePrecision } from '../devices/precision.js'
import { type Chosen, dealDevices, findDevices } from '../devices/resolve.js'
import { updateFor } from '../devices/update.js'
import { requireEqualStanding, type Standing } from '../ranks/guard.js'
import { ones, type Ranks } from '../ranks/ranks.js'
import { hashOfWeights } from '../ranks/weights.js'
import { expectedCost } from '../recipes/cost.js'
import type { RunSummary, TrainEvent } from '../run/events.js'
import { closeLogger, createLogger } from '../run/logger.js'
import { version } from '../version.js'
import { type Prepared, prepare } from './prepare.js'
import { Session } from './session.js'
import { arrange } from './sharing.js'

export interface RunOptions {
  /** Workers; overrides `compute.workers`, and changes no bit of the result. */
  readonly workers?: number
  /** The processes that train together, from `openRanks`; default: those of the job that this process was started in. */
  readonly ranks?: Ranks
  /** What computes, one a worker; overrides `compute.devices`. A resumed run takes devices of its own kinds only. */
  readonly devices?: 'auto' | readonly string[]
  /** Ask the run to stop: it saves a checkpoint and returns with status `stopped`. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: TrainEvent) => void
  /** What relative paths in the configuration are relative to; default: the current folder. */
  readonly directory?: string
  /** The pool's worker module, for embedding; it must hand its tasks to `doorbell`. */
  readonly workerFile?: URL
  /** The module of a worker's process, for embedding; it must call `serve`. */
  readonly laneFile?: URL
  /** Limit of a worker's JavaScript heap in MiB. */
  readonly heapMiB?: number
}

/** A run whose input was found good, before anything is written or any worker started. */
export interface Begun {
  /** With the backend that `auto` stood for: a resumed run must compute with the same one. */
  readonly config: Config
  readonly chosen: Chosen
  readonly prepared: Prepared
}

/**
 * Chooses backend and devices, loads the data, draws or restores the weights; finds all bad input, and what ranks do
 * not have alike. Writes nothing.
 */
export async function beginRun(
  dir: string,
  config: Config,
  options: RunOptions,
  ranks: Ranks,
): Promise<Begun> {
  const workers = options.workers ?? config.compute.workers
  const found = await ranks.together(() => findDevices(config.compute))
  const place = await ranks.placeHere(found.identity)
  const begun = await ranks.together(async () => {
    const chosen = dealDevices(found, { ...config.compute, workers }, place)
    await requirePrecision(config.compute.precision, chosen.devices)
    const update = await updateFor(config.compute, chosen.devices)
    const split = splitFor(config, chosen, update)
    const compute = { ...config.compute, backend: chosen.backend, split, update }
    const resolved = { ...config, compute }
    const directory = options.directory ?? process.cwd()
    const prepared = await prepare(dir, resolved, directory, { ...chosen, here: place.here }, ranks)
    return { config: resolved, chosen, prepared }
  })
  await requireEqualStanding(ranks, standingOf(begun))
  return begun
}

/** What ranks must have alike, and what to say of each. */
function standingOf({ config, chosen, prepared }: Begun): Standing {
  const { checkpoint, data, parameters, comparator, share } = prepared
  return {
    Saddle: version,
    'Node.js': process.version,
    backend: kindsOf(chosen.devices).join('+'),
    configuration: short(commonHash(config)),
    data: short(data.hash),
    checkpoint: checkpoint === null ? 'none' : `step ${checkpoint.step}`,
    'initial weights': share === null ? short(hashOfWeights(parameters)) : 'of its own neurons',
    'weights of the comparator': comparator === null ? 'none' : short(hashOfWeights(comparator)),
  }
}

/** Enough of a hash to be told. */
function short(hash: string): string {
  return hash.slice(0, 16)
}

/**
 * Members of a team wait for each other on memory that only threads share: processes split examples. So do devices that
 * update weights, which a team would make wait at every pass.
 */
function splitFor(
  { network: { depth }, compute: { split } }: Config,
  { devices }: Chosen,
  update: 'device' | 'host',
): Config['compute']['split'] {
  const own = devices.find(device => device.process !== null)
  if (own === undefined) return update === 'device' ? 'examples' : split
  // With several layers `auto` means examples: written as it is, the run may go on in threads as in processes.
  if (split === 'auto' && depth > 1 && update === 'host') return split
  if (split !== 'neurons') return 'examples'
  throw new SaddleError(
    'CONFIG',
    `compute.split: neurons needs workers in threads, and ${own.id} lives in a process of its own. Take split: examples, ` +
      'or devices of threads.',
    { device: own.id },
  )
}

/**
 * Carries the run in `dir` from its newest checkpoint (or its start) to its end: steps, checkpoints, evaluation,
 * summary. The result does not depend on the number of workers, nor on where it was interrupted before.
 */
export async function carryOut(
  dir: string,
  begun: Begun,
  options: RunOptions,
  ranks: Ranks,
): Promise<RunSummary> {
  const { config, chosen, prepared } = begun
  const { devices } = chosen
  const logger = await ranks.together(() => createLogger(dir, ranks.rank))
  const emit = options.onEvent ?? (() => {})
  try {
    for (const remark of [...prepared.remarks, ...chosen.remarks]) logger.info(remark)
    for (const warning of prepared.warnings) {
      logger.warn(warning)
      emit({ kind: 'warning', message: warning })
    }
    const workers = await ranks.gatherNumbers(Float64Array.of(devices.length), ones(ranks.size))
    const arrangement = await ranks.together(() =>
      arrange(config, prepared, devices, ranks, [...workers]),
    )
    const parts = { dir, config, options, prepared, devices, ranks, arrangement, logger }
    using run = await ranks.together(() => new Session(parts))
    const start = startOf(run, chosen)
    const { update } = config.compute
    emit({ kind: 'start', dir, config, ...start })
    const { rank, collective } = ranks
    const who = { rank, host: hostname(), pid: process.pid, collective: collective.library }
    logger.info('start', { ...start, update, ...who })
    const summary = await run.finish()
    logger.info(summary.status, { steps: summary.stepsDone, seconds: summary.seconds })
    emit({ kind: 'done', summary })
    return summary
  } catch (error) {
    logger.error(error instanceof Error ? error.message : String(error), {
      code: error instanceof SaddleError ? error.code : null,
    })
    throw error
  } finally {
    await closeLogger(logger)
  }
}

/** What there is to say of a run when it starts. */
function startOf({ parts, history }: Session, { host }: Chosen) {
  const { config, devices, ranks, arrangement } = parts
  const { split, travels, workspace } = arrangement
  return {
    fromStep: history.step,
    workers: devices.length,
    ranks: ranks.size,
    backend: kindsOf(devices).join('+'),
    devices: devices.map(({ id }) => id),
    precision: config.compute.precision,
    cost: expectedCost(config.attack, config.descent.steps, config.network.depth),
    passedOver: host.passedOver,
    split,
    plan: workspace.matrices.map(({ name: matrix, form, factorBytes, denseBytes }) => ({
      matrix,
      form,
      factorBytes,
      denseBytes,
    })),
    travels,
  }
}
