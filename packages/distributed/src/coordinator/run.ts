import { SaddleError } from '@saddle/core'
import type { Config } from '../config/schema.js'
import { kindsOf } from '../devices/device.js'
import { requirePrecision } from '../devices/precision.js'
import { type Chosen, chooseDevices } from '../devices/resolve.js'
import { updateFor } from '../devices/update.js'
import type { RunSummary, TrainEvent } from '../run/events.js'
import { closeLogger, createLogger } from '../run/logger.js'
import { type Prepared, prepare } from './prepare.js'
import { Session } from './session.js'

export interface RunOptions {
  /** Workers; overrides `compute.workers`, and changes no bit of the result. */
  readonly workers?: number
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

/** Chooses backend and devices, loads the data, draws or restores the weights; finds all bad input. Writes nothing. */
export async function beginRun(dir: string, config: Config, options: RunOptions): Promise<Begun> {
  const workers = options.workers ?? config.compute.workers
  const chosen = await chooseDevices({ ...config.compute, workers })
  await requirePrecision(config.compute.precision, chosen.devices)
  const update = await updateFor(config.compute, chosen.devices)
  const split = splitFor(config, chosen, update)
  const compute = { ...config.compute, backend: chosen.backend, split, update }
  const resolved = { ...config, compute }
  const prepared = await prepare(dir, resolved, options.directory ?? process.cwd(), chosen)
  return { config: resolved, chosen, prepared }
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
): Promise<RunSummary> {
  const { config, chosen, prepared } = begun
  const backend = kindsOf(chosen.devices).join('+')
  const logger = createLogger(dir)
  const emit = options.onEvent ?? (() => {})
  try {
    for (const remark of [...prepared.remarks, ...chosen.remarks]) logger.info(remark)
    for (const warning of prepared.warnings) {
      logger.warn(warning)
      emit({ kind: 'warning', message: warning })
    }
    using run = new Session(dir, config, options, prepared, chosen.devices, logger)
    const start = {
      fromStep: run.progress.step,
      workers: run.workers,
      backend,
      devices: chosen.devices.map(({ id }) => id),
      precision: config.compute.precision,
      passedOver: chosen.host.passedOver,
      split: run.split,
      plan: run.workspace.matrices.map(({ name: matrix, form, factorBytes, denseBytes }) => ({
        matrix,
        form,
        factorBytes,
        denseBytes,
      })),
    }
    emit({ kind: 'start', dir, config, ...start })
    logger.info('start', { ...start, update: config.compute.update })
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
