import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import type { Ranks } from '@saddle/distributed'
import { silence } from '../exit.js'
import type { ExperimentOptions, ExperimentResult } from '../experiment.js'
import { createReporter } from '../progress/reporter.js'
import { drawPictures } from '../report/pictures.js'
import { resultsNote, resultsTable } from '../report/results-table.js'
import { stopOnSignals } from '../stopping.js'
import type { Terminal } from '../terminal.js'

/** What `train` and `resume` have in common. */
export interface SharedFlags {
  readonly workers?: number
  /** `resume` only: those of a new run stand in its configuration. */
  readonly moveTo?: 'auto' | readonly string[]
  readonly quiet?: boolean
  readonly json?: boolean
}

/**
 * Carries out an experiment for a person: progress and signals while it runs, then pictures and the table. Where a
 * launcher started several processes they do it together, and rank 0 does the talking.
 *
 * @throws SaddleError STOPPED if it was stopped on request, with how to go on; whatever the experiment throws.
 */
export async function conduct(
  terminal: Terminal,
  flags: SharedFlags,
  experiment: (options: ExperimentOptions, ranks: Ranks) => Promise<ExperimentResult>,
): Promise<void> {
  const { endTogether, openRanks } = await import('@saddle/distributed')
  const ranks = await openRanks()
  try {
    await endTogether(ranks, () => carryOut(terminal, flags, ranks, experiment))
  } catch (error) {
    if (!ranks.isFirst) silence(error)
    throw error
  } finally {
    await ranks.close()
  }
}

async function carryOut(
  terminal: Terminal,
  flags: SharedFlags,
  ranks: Ranks,
  experiment: (options: ExperimentOptions, ranks: Ranks) => Promise<ExperimentResult>,
): Promise<void> {
  const reporter = createReporter(terminal, flags.quiet === true || !ranks.isFirst)
  const stopping = stopOnSignals(
    () => reporter.note('stopping after this step, with a checkpoint; once more to exit at once'),
    () => reporter.close(),
    ranks.collective.kind === 'openmpi',
  )
  let result: ExperimentResult
  try {
    const options = { ranks, signal: stopping.signal, onEvent: reporter.event }
    const workers = flags.workers === undefined ? {} : { workers: flags.workers }
    const devices = flags.moveTo === undefined ? {} : { devices: flags.moveTo }
    result = await experiment({ ...options, ...workers, ...devices }, ranks)
  } finally {
    reporter.close()
    stopping.release()
  }
  await ranks.fromFirst(async () => {
    const pictures = await drawPictures(result)
    if (flags.json === true) terminal.out.write(`${JSON.stringify(asJson(result))}\n`)
    if (result.status === 'stopped') throw stopped(result)
    if (flags.json !== true) terminal.out.write(closing(result, pictures))
  })
}

/** The summary of the main training, with its run folder and its baseline's summary. */
function asJson({ status, dir, main, baseline }: ExperimentResult): object {
  return { ...main, status, run: dir, baseline }
}

function closing(result: ExperimentResult, pictures: readonly string[]): string {
  const { dir } = result
  return [
    '',
    resultsTable(result),
    resultsNote(result),
    '',
    `Run folder  ${dir}`,
    ...(pictures.length === 0
      ? []
      : [`Pictures    ${join(dir, 'pictures')}: ${pictures.join(', ')}`]),
    `Weights     saddle export ${dir} --out weights.safetensors`,
    '',
  ].join('\n')
}

function stopped({ dir, main, baseline }: ExperimentResult): SaddleError {
  const part = main ?? baseline
  const where =
    part === null
      ? ''
      : ` after ${part.stepsDone} of ${part.steps} steps${main === null ? ' of the baseline' : ''}`
  return new SaddleError(
    'STOPPED',
    `the run in ${dir} stopped on request${where}; a checkpoint is saved. \`saddle resume ${dir}\` goes on.`,
    { dir },
  )
}
