import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { openRanks } from '@saddle/distributed'
import { refuseOther } from '../cluster/job-plan.js'
import { summaryOf } from '../cluster/run-state.js'
import { resumeExperiment, runExperiment } from '../experiment.js'
import { listCells, type SweepCell } from '../sweep.js'
import type { Terminal } from '../terminal.js'
import type { Trainer } from '../trainer.js'
import { conduct, type SharedFlags } from './conduct.js'

/**
 * Trains the cells of a sweep one after the other, each in a run folder of its own in `dir`. Cells that are done are
 * left out, those that were interrupted go on.
 *
 * @throws SaddleError CONFIG if a launcher started several processes, or a folder holds a run of another configuration; STOPPED as `conduct`.
 */
export async function trainSweep(
  terminal: Terminal,
  flags: SharedFlags,
  trainer: Trainer,
  dir: string,
  cells: readonly SweepCell[],
): Promise<void> {
  const ranks = await openRanks()
  if (ranks.collective.kind !== 'solo') {
    await ranks.close()
    throw new SaddleError(
      'CONFIG',
      'A sweep is trained by one process, and this one was started by a launcher of several. `saddle submit` and `saddle run-hosts` ' +
        'start ranks for each cell of it.',
    )
  }
  for (const { cell, config } of cells) await refuseOther(join(dir, cell), config)
  await listCells(dir, cells)
  for (const [index, { cell, config }] of cells.entries()) {
    const run = join(dir, cell)
    const done = summaryOf(run)?.status === 'done'
    if (flags.quiet !== true)
      terminal.err.write(
        `cell ${index + 1} of ${cells.length}: ${cell}${done ? ', done before' : ''}\n`,
      )
    if (done) continue
    const begun = ['config.yaml', 'experiment.yaml'].some(name => existsSync(join(run, name)))
    await conduct(terminal, flags, options =>
      begun
        ? resumeExperiment(trainer, run, options)
        : runExperiment(trainer, config, run, options),
    )
  }
}
