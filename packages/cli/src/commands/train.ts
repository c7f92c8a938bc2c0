import type { Command } from 'commander'
import type { Terminal } from '../terminal.js'
import { assignment, positiveInteger } from './arguments.js'
import type { SharedFlags } from './conduct.js'
import { type SettingFlags, settingsFrom, timestamp } from './settings.js'

const EXAMPLES = `
Examples:
  saddle train examples/quickstart.yaml
  saddle train run.yaml --out runs/wide --workers 4 --backend wasm
  saddle train run.yaml --set network.width=8192 --set perturbation.radius=0.1
  saddle train run.yaml --quiet --json > summary.json
  saddle train sweep.yaml --out runs/sweep

CONFIG is YAML or JSON; examples/ has some to start from. A value after --set is
read as YAML, so numbers, true, null and [1, 2] mean what they look like.

The first Ctrl-C (or SIGTERM, SIGUSR1) finishes the step at hand, writes a checkpoint
and exits with 75; a second Ctrl-C exits at once. \`saddle resume DIR\` goes on to the
same weights, bit for bit, with any number of workers and ranks.

Started by mpirun or srun, its processes train one network together:
  mpirun.openmpi -n 4 --bind-to none saddle train run.yaml --out /shared/run
DIR must lie on a file system that all of them see.

A configuration with a sweep is trained cell by cell, each in a folder of its own
in DIR; with the same --out cells that are done are left out, and others go on.

DIR receives config.yaml, metrics.jsonl, log.jsonl, checkpoints/, summary.json
and pictures/; with evaluation.baseline: true also baseline/, a run of its own.`

interface TrainFlags extends SharedFlags, SettingFlags {
  readonly out?: string
}

export function addTrain(program: Command, terminal: Terminal): void {
  program
    .command('train')
    .summary('train a network as a configuration says')
    .description('Trains a network against an adversary, as a configuration file says.')
    .argument('<CONFIG>', 'configuration, YAML or JSON')
    .option('--out <DIR>', 'run folder to create (default: runs/NAME-YYYYMMDD-HHMMSS)')
    .option('--workers <N>', 'worker threads (default: one a core)', positiveInteger)
    .option('--backend <NAME>', 'what computes: auto, wasm, cpu, … (see `saddle devices`)')
    .option('--devices <LIST>', 'one a worker, with commas between: cuda:0,cuda:1')
    .option('--set <PATH=VALUE>', 'change one setting; may be given many times', assignment)
    .option('--quiet', 'no progress on stderr')
    .option('--json', 'print the summary as one JSON object instead of a table')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, flags: TrainFlags) => {
      const { readConfigFile, resume, train } = await import('@saddle/distributed')
      const { conduct } = await import('./conduct.js')
      const { runExperiment } = await import('../experiment.js')
      const read = () => readConfigFile(file, settingsFrom(flags))
      // What is wrong with it is told below, once for all ranks.
      const sweep = await read().catch(() => null)
      if (sweep?.swept === true) {
        const { trainSweep } = await import('./train-sweep.js')
        const dir = flags.out ?? `runs/${sweep.name}-${timestamp(new Date())}`
        const cells = sweep.cells.map(({ name: cell, config }) => ({ cell, config }))
        await trainSweep(terminal, flags, { train, resume }, dir, cells)
      } else
        await conduct(terminal, flags, async (options, ranks) => {
          const { name, cells } = await ranks.together(read)
          const dir = await ranks.fromFirst(
            () => flags.out ?? `runs/${name}-${timestamp(new Date())}`,
          )
          return runExperiment({ train, resume }, cells[0]!.config, dir, options)
        })
    })
}
