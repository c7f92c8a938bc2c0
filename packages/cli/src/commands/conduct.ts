import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
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
 * Carries out an experiment for a person: progress and signals while it runs, then pictures and the table.
 *
 * @throws SaddleError STOPPED if it was stopped on request, with how to go on; whatever the experiment throws.
 */
export async function conduct(
  terminal: Terminal,
  flags: SharedFlags,
  experiment: (options: ExperimentOptions) => Promise<ExperimentResult>,
): Promise<void> {
  const reporter = createReporter(terminal, flags.quiet === true)
  const stopping = stopOnSignals(
    () => reporter.note('stopping after this step, with a checkpoint; once more to exit at once'),
    () => reporter.close(),
  )
  let result: ExperimentResult
  try {
    result = await experiment({
      signal: stopping.signal,
      onEvent: reporter.event,
      ...(flags.workers === undefined ? {} : { workers: flags.workers }),
      ...(flags.moveTo === undefined ? {} : { devices: flags.moveTo }),
    })
  } finally {
    reporter.close()
    stopping.release()
  }
  const pictures = await drawPictures(result)
  if (flags.json === true) terminal.out.write(`${JSON.stringify(asJson(result))}\n`)
  if (result.status === 'stopped') throw stopped(result)
  if (flags.json !== true) terminal.out.write(closing(result, pictures))
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
