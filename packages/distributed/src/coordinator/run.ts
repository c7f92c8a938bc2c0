import { type BackendChoice, SaddleError, useBackend } from '@saddle/core'
import type { Config } from '../config/schema.js'
import type { RunSummary, TrainEvent } from '../run/events.js'
import { closeLogger, createLogger } from '../run/logger.js'
import { type Prepared, prepare } from './prepare.js'
import { Session } from './session.js'

export interface RunOptions {
  /** Workers; overrides `compute.workers`, and changes no bit of the result. */
  readonly workers?: number
  /** Ask the run to stop: it saves a checkpoint and returns with status `stopped`. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: TrainEvent) => void
  /** What relative paths in the configuration are relative to; default: the current folder. */
  readonly directory?: string
  /** The pool's worker module, for embedding; it must hand its tasks to `doorbell`. */
  readonly workerFile?: URL
  /** Limit of a worker's JavaScript heap in MiB. */
  readonly heapMiB?: number
}

/** A run whose input was found good, before anything is written or any worker started. */
export interface Begun {
  /** With the backend that `auto` stood for: a resumed run must compute with the same one. */
  readonly config: Config
  readonly backend: BackendChoice
  readonly prepared: Prepared
}

/** Chooses the backend, loads the data, draws or restores the weights; finds all bad input. Writes nothing. */
export async function beginRun(dir: string, config: Config, options: RunOptions): Promise<Begun> {
  const backend = await useBackend(config.compute.backend)
  const compute = { ...config.compute, backend: backend.backend.name }
  const resolved = { ...config, compute }
  const prepared = await prepare(dir, resolved, options.directory ?? process.cwd())
  return { config: resolved, backend, prepared }
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
  const { config, prepared } = begun
  const { backend, passedOver } = begun.backend
  const logger = createLogger(dir)
  const emit = options.onEvent ?? (() => {})
  try {
    for (const remark of prepared.remarks) logger.info(remark)
    const run = new Session(dir, config, options, prepared, backend.name, logger)
    const start = {
      fromStep: run.progress.step,
      workers: run.workers,
      backend: backend.name,
      passedOver,
      split: run.split,
      plan: run.workspace.matrices.map(({ name: matrix, form, factorBytes, denseBytes }) => ({
        matrix,
        form,
        factorBytes,
        denseBytes,
      })),
    }
    emit({ kind: 'start', dir, config, ...start })
    logger.info('start', start)
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
