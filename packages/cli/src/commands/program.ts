import { Command } from 'commander'
import { ownVersion } from '../cluster/own-command.js'
import type { Terminal } from '../terminal.js'
import { addCancel } from './cancel.js'
import { addDevices } from './devices.js'
import { addEvaluate } from './evaluate.js'
import { addExport } from './export.js'
import { addGallery } from './gallery.js'
import { addJobs } from './jobs.js'
import { addPlan } from './plan.js'
import { addResume } from './resume.js'
import { addRunHosts } from './run-hosts.js'
import { addSubmit } from './submit.js'
import { addTrain } from './train.js'
import { addWatch } from './watch.js'

const EXAMPLES = `
Examples:
  saddle train examples/quickstart.yaml          train, watch, get a table and pictures
  saddle train run.yaml --set descent.steps=500  the same with one setting changed
  saddle resume runs/quickstart-20260101-120000  go on after a stop, a crash or a power cut
  saddle evaluate runs/quickstart-20260101-120000 what is left standing under attack
  saddle plan --epsilon 0.2 --radius 3           what the theorems ask for
  saddle submit run.yaml --scheduler slurm       the same on a cluster
  saddle watch runs/quickstart-20260101-120000   how a run stands, wherever it runs

Exit codes: 0 done, 1 the run failed, 2 wrong usage or configuration,
75 stopped on request with a checkpoint (resume it).`

/** The whole command line. Every command prints to `terminal` and throws what goes wrong. */
export function createProgram(terminal: Terminal): Command {
  const program = new Command('saddle')
    .description(
      'Trains very wide networks against an adversary, and measures what the theory promises.',
    )
    .version(ownVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'say what a command does')
    .helpCommand('help [command]', 'say what a command does')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({
      writeOut: text => terminal.out.write(text),
      writeErr: text => terminal.err.write(text),
      getOutHelpWidth: () => terminal.out.width ?? 80,
      getErrHelpWidth: () => terminal.err.width ?? 80,
      outputError: (text, write) =>
        write(text.replace(/^error:/, terminal.err.colours.red('error:'))),
    })
    .showHelpAfterError('See `saddle --help`, or `saddle help COMMAND`.')
  addTrain(program, terminal)
  addResume(program, terminal)
  addEvaluate(program, terminal)
  addGallery(program, terminal)
  addDevices(program, terminal)
  addExport(program, terminal)
  addPlan(program, terminal)
  addSubmit(program, terminal)
  addRunHosts(program, terminal)
  addJobs(program, terminal)
  addWatch(program, terminal)
  addCancel(program, terminal)
  return program
}
