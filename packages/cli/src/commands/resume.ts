import type { Command } from 'commander'
import type { Terminal } from '../terminal.js'
import { namesIn, positiveInteger } from './arguments.js'
import type { SharedFlags } from './conduct.js'

const EXAMPLES = `
Examples:
  saddle resume runs/quickstart-20260101-120000
  saddle resume runs/wide --workers 8
  saddle resume runs/wide --devices cuda:1,cuda:1

The result has the same bits as if the run had never been interrupted, whatever
the number of workers. --devices moves it to other devices of the kinds it began on;
others, whose last bits differ, are refused. A run that is done already just prints
its table again. The folder of a sweep is gone on with cell by cell.`

interface ResumeFlags extends Omit<SharedFlags, 'moveTo'> {
  readonly devices?: readonly string[]
}

export function addResume(program: Command, terminal: Terminal): void {
  program
    .command('resume')
    .summary('go on with a run that was stopped or died')
    .description('Goes on with a run from its newest checkpoint.')
    .argument('<DIR>', 'run folder')
    .option('--workers <N>', 'worker threads (default: as configured)', positiveInteger)
    .option(
      '--devices <LIST>',
      'go on on these, one a worker, with commas between (default: as configured)',
      namesIn,
    )
    .option('--quiet', 'no progress on stderr')
    .option('--json', 'print the summary as one JSON object instead of a table')
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, { devices, ...shared }: ResumeFlags) => {
      const { resume, train } = await import('@saddle/distributed')
      const { conduct } = await import('./conduct.js')
      const { resumeExperiment } = await import('../experiment.js')
      const { cellsOfSweep } = await import('../sweep.js')
      const flags: SharedFlags =
        devices === undefined
          ? shared
          : { ...shared, moveTo: devices.join() === 'auto' ? 'auto' : devices }
      const cells = cellsOfSweep(dir)
      if (cells !== null) {
        const { trainSweep } = await import('./train-sweep.js')
        await trainSweep(terminal, flags, { train, resume }, dir, cells)
      } else
        await conduct(terminal, flags, options => resumeExperiment({ train, resume }, dir, options))
    })
}
