import type { Command } from 'commander'
import type { Terminal } from '../terminal.js'
import { positiveInteger } from './arguments.js'
import type { SharedFlags } from './conduct.js'

const EXAMPLES = `
Examples:
  saddle resume runs/quickstart-20260101-120000
  saddle resume runs/wide --workers 8

The result has the same bits as if the run had never been interrupted, whatever
the number of workers. A run that is done already just prints its table again.
The folder of a sweep is gone on with cell by cell.`

export function addResume(program: Command, terminal: Terminal): void {
  program
    .command('resume')
    .summary('go on with a run that was stopped or died')
    .description('Goes on with a run from its newest checkpoint.')
    .argument('<DIR>', 'run folder')
    .option('--workers <N>', 'worker threads (default: as configured)', positiveInteger)
    .option('--quiet', 'no progress on stderr')
    .option('--json', 'print the summary as one JSON object instead of a table')
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, flags: SharedFlags) => {
      const { resume, train } = await import('@saddle/distributed')
      const { conduct } = await import('./conduct.js')
      const { resumeExperiment } = await import('../experiment.js')
      const { cellsOfSweep } = await import('../sweep.js')
      const cells = cellsOfSweep(dir)
      if (cells !== null) {
        const { trainSweep } = await import('./train-sweep.js')
        await trainSweep(terminal, flags, { train, resume }, dir, cells)
      } else
        await conduct(terminal, flags, options => resumeExperiment({ train, resume }, dir, options))
    })
}
