import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { alone } from '../ranks/ranks.js'
import { diskError, writeJsonAtomic } from '../run/files.js'
import { withRunFolder } from '../run/lock.js'
import { closeLogger, createLogger } from '../run/logger.js'
import { writeAdversarial } from './adversarial.js'
import { blocksFor } from './blocks.js'
import { writeExamples } from './examples.js'
import { labelsOf } from './labels.js'
import type { EvaluationEvent } from './progress.js'
import type { EvaluationReport } from './report.js'
import {
  type ComputeOptions,
  type EvaluationRequest,
  type Resolved,
  resolveRequest,
} from './resolve.js'
import { openStore, type Store } from './store.js'
import { type Findings, figuresOf, gatherFindings } from './summary.js'
import { evaluationWarnings } from './warnings.js'
import { workOff } from './work.js'

export interface EvaluateOptions extends ComputeOptions {
  /** Ask it to stop: what is finished is kept, and `evaluate` throws STOPPED. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: EvaluationEvent) => void
  /** Examples a worker is given at a time, in whole blocks (`blockSize`). Default: a block. Changes no figure. */
  readonly shard?: number
  /** The pool's worker module, and that of a worker's process, for embedding. */
  readonly workerFile?: URL
  readonly laneFile?: URL
}

/**
 * Attacks a model on every example with every attack at every radius, over a pool of workers, and says what was left
 * standing. Writes a folder: evaluation.json, examples.safetensors, log.jsonl and state/, from which the same request
 * goes on after an interruption. No figure depends on workers, shards or interruptions; on equal devices no bit does.
 *
 * @example
 * const report = await evaluate({
 *   model: { file: 'mnist.safetensors', activation: 'relu' },
 *   data: { inputs: 'x.npy', labels: 'y.npy' },
 *   radii: [0.05, 0.1],
 *   attacks: [{ kind: 'fgsm' }, { kind: 'pgd' }],
 * })
 *
 * @throws SaddleError CONFIG, DATA, RANGE, BACKEND before anything is computed; STOPPED, WORKER, DISK with what was
 *   finished kept.
 */
export async function evaluate(
  request: EvaluationRequest,
  options: EvaluateOptions = {},
): Promise<EvaluationReport & { readonly dir: string }> {
  const resolved = await resolveRequest(request, options)
  return carryOutEvaluation(resolved, options, async store => ({
    ...(await conclude(resolved, store)).report,
    dir: resolved.dir,
  }))
}

/** Works off what is open of an evaluation, in its folder, and concludes it. */
export async function carryOutEvaluation<T>(
  resolved: Resolved,
  options: EvaluateOptions,
  conclusion: (store: Store) => Promise<T>,
): Promise<T> {
  const { dir, identity, job } = resolved
  await makeFolder(dir)
  const work = async () => {
    const store = await openStore(dir, identity)
    const logger = createLogger(dir)
    try {
      const start = startOf(resolved, store)
      options.onEvent?.(start)
      logger.info('start', { ...start })
      await workOff(resolved, store, options, logger)
      const result = await conclusion(store)
      logger.info('done')
      return result
    } catch (error) {
      logger.error(error instanceof Error ? error.message : String(error))
      const isStop = error instanceof SaddleError && error.code === 'STOPPED'
      throw isStop ? stopped(dir, store, job.order.length) : error
    } finally {
      await closeLogger(logger)
    }
  }
  return withRunFolder(dir, work, alone())
}

function startOf({ dir, subject, examples, job, chosen, identity }: Resolved, store: Store) {
  return {
    kind: 'start',
    dir,
    model: `${subject.source}: ${subject.description}`,
    examples: job.order.length,
    attacks: labelsOf(job.attacks),
    set: job.set,
    radii: job.radii,
    workers: chosen.devices.length,
    backend: identity.backend,
    remarks: [...subject.remarks, ...examples.remarks, ...chosen.remarks],
    finished: store.clean.size + store.searches.reduce((sum, blocks) => sum + blocks.size, 0),
  } as const
}

/** Writes evaluation.json, examples.safetensors, and the points if they were asked for. */
export async function conclude(
  resolved: Resolved,
  store: Store,
): Promise<{ readonly report: EvaluationReport; readonly findings: Findings }> {
  const { dir, identity, subject, examples, job, chosen, startingPoints } = resolved
  const { order, radii, attacks, criterion } = job
  const question = { examples: order.length, radii, attacks, criterion, targets: job.targets }
  const findings = gatherFindings(question, store.clean, store.searches)
  const figures = figuresOf(question, findings)
  await writeExamples(join(dir, 'examples.safetensors'), resolved, findings)
  if (resolved.saveAdversarial !== null)
    await writeAdversarial(resolved.saveAdversarial, resolved, store, findings)
  const { set, loss, seed, backend, saddle } = identity
  const report: EvaluationReport = {
    model: {
      source: subject.source,
      description: subject.description,
      sha256: subject.hash,
      inputs: subject.inputs,
      outputs: subject.outputs,
    },
    data: {
      source: examples.source,
      sha256: examples.hash,
      examples: order.length,
      of: examples.data.count,
      dimension: examples.data.dimension,
    },
    set,
    radii,
    loss,
    criterion,
    seed,
    ...(startingPoints === null
      ? {}
      : { startingPoints: { source: startingPoints.source, sha256: startingPoints.hash } }),
    ...figures,
    warnings: evaluationWarnings(resolved, findings.clean, figures.attacks),
    remarks: [...subject.remarks, ...examples.remarks],
    backend,
    workers: chosen.devices.length,
    seconds: figures.attacks.reduce((sum, { seconds }) => sum + seconds, 0),
    saddle,
    node: process.version,
  }
  await writeJsonAtomic(join(dir, 'evaluation.json'), report)
  return { report, findings }
}

async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw new SaddleError(
        'CONFIG',
        `${dir} cannot be the folder of an evaluation: it, or a folder on the way to it, is a file.`,
        { dir },
      )
    throw diskError(error, dir, 'Choose another folder with --out.')
  }
}

function stopped(dir: string, store: Store, examples: number): SaddleError {
  const blocks = store.searches.map(found => found.size)
  const whole = blocksFor(examples) * blocks.length
  const done = blocks.reduce((a, b) => a + b, 0)
  return new SaddleError(
    'STOPPED',
    `the evaluation in ${dir} stopped on request with ${done} of ${whole} blocks of examples attacked; they are kept. The same ` +
      'command goes on.',
    { dir },
  )
}
