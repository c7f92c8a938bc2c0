import type { Command } from 'commander'
import type { Terminal } from '../terminal.js'
import { assignment, positiveInteger } from './arguments.js'
import type { SharedFlags } from './conduct.js'

const EXAMPLES = `
Examples:
  saddle train examples/quickstart.yaml
  saddle train run.yaml --out runs/wide --workers 4 --backend wasm
  saddle train run.yaml --set network.width=8192 --set perturbation.radius=0.1
  saddle train run.yaml --quiet --json > summary.json

CONFIG is YAML or JSON; examples/ has some to start from. A value after --set is
read as YAML, so numbers, true, null and [1, 2] mean what they look like.

The first Ctrl-C (or SIGTERM, SIGUSR1) finishes the step at hand, writes a checkpoint
and exits with 75; a second Ctrl-C exits at once. \`saddle resume DIR\` goes on to the
same weights, bit for bit, with any number of workers and ranks.

Started by mpirun or srun, its processes train one network together:
  mpirun.openmpi -n 4 --bind-to none saddle train run.yaml --out /shared/run
DIR must lie on a file system that all of them see.

DIR receives config.yaml, metrics.jsonl, log.jsonl, checkpoints/, summary.json
and pictures/; with evaluation.baseline: true also baseline/, a run of its own.`

interface TrainFlags extends SharedFlags {
  readonly out?: string
  readonly backend?: string
  readonly devices?: string
  readonly set?: readonly string[]
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
      const { readConfig, resume, train } = await import('@saddle/distributed')
      const { conduct } = await import('./conduct.js')
      const { runExperiment } = await import('../experiment.js')
      const backend = flags.backend === undefined ? [] : [`compute.backend=${flags.backend}`]
      const devices =
        flags.devices === undefined ? [] : [`compute.devices=${asList(flags.devices)}`]
      const settings = [...(flags.set ?? []), ...backend, ...devices]
      await conduct(terminal, flags, async (options, ranks) => {
        const { config } = await ranks.together(() => readConfig(file, settings))
        const dir = await ranks.fromFirst(
          () => flags.out ?? `runs/${config.name}-${timestamp(new Date())}`,
        )
        return runExperiment({ train, resume }, config, dir, options)
      })
    })
}

/** A list of names as YAML has it; `auto` as it is. */
function asList(names: string): string {
  return names === 'auto' ? names : JSON.stringify(names.split(',').map(name => name.trim()))
}

/** yyyymmdd-hhmmss, local time. */
function timestamp(now: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`
  return `${date}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`
}
