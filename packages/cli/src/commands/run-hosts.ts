import { resolve } from 'node:path'
import { SaddleError } from '@saddle/core'
import type { Command } from 'commander'
import type { Host } from '../cluster/hosts.js'
import type { Terminal } from '../terminal.js'
import {
  assignment,
  collected,
  hostList,
  nonNegativeInteger,
  positiveInteger,
} from './arguments.js'
import { type SettingFlags, settingsFrom, timestamp } from './settings.js'

const EXAMPLES = `
Examples:
  saddle run-hosts run.yaml --hosts node1,node2 --out /shared/runs/wide
  saddle run-hosts run.yaml --hosts node1:2,node2:2 --workers 8 \\
    --mpirun-option=-mca --mpirun-option=btl_tcp_if_include \\
    --mpirun-option=10.0.0.0/24
  saddle run-hosts run.yaml --hosts node1,node2 --dry-run

For machines without a scheduler: one process a host (or as many as stand after
the name), started by Open MPI over ssh without a password. The hosts need one
file system with the run folder, and Saddle and Node under the same paths; all
are asked before anything is started.

When a host dies or a link is cut the job ends within seconds and is started
again from its last checkpoint, on the hosts that answer then. It gives up after
--retries failures in a row without a new checkpoint. The first Ctrl-C makes all
ranks save and exit with 75; the same command with the same --out goes on.

\`saddle submit --scheduler mpirun\` does the same in the background.`

export interface HostsFlags extends SettingFlags {
  readonly hosts: readonly Host[]
  readonly ssh: string
  readonly mpirunOption?: readonly string[]
  readonly workers?: number
  readonly retries: number
  readonly backoff: number
  readonly out?: string
  readonly dryRun?: boolean
}

export function addRunHosts(program: Command, terminal: Terminal): void {
  program
    .command('run-hosts')
    .summary('train on machines over ssh')
    .description('Trains on several machines over ssh, and goes on with those that are left.')
    .argument('<CONFIG>', 'configuration, YAML or JSON; may have a sweep')
    .requiredOption('--hosts <LIST>', 'machines, and ranks on each: node1,node2:2', hostList)
    .option('--out <DIR>', 'run folder that all hosts see (default: runs/NAME-YYYYMMDD-HHMMSS)')
    .option('--ssh <COMMAND>', 'how to run a command on a host', 'ssh')
    .option('--mpirun-option <WORD>', 'a word for mpirun; many times', collected)
    .option('--workers <N>', 'workers a rank (default: one a core)', positiveInteger)
    .option('--retries <N>', 'failures in a row that are tried again', nonNegativeInteger, 3)
    .option('--backoff <S>', 'seconds before the first new try; they double', positiveInteger, 10)
    .option('--backend <NAME>', 'what computes (see `saddle devices`)')
    .option('--devices <LIST>', 'one a worker, with commas between: cuda:0,cuda:1')
    .option('--set <PATH=VALUE>', 'change one setting; may be given many times', assignment)
    .option('--dry-run', 'print the command of mpirun; write and start nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, flags: HostsFlags) => {
      const { readConfigFile } = await import('@saddle/distributed')
      const { planJob } = await import('../cluster/job-plan.js')
      const { runOnHosts } = await import('../cluster/run-hosts.js')
      const config = await readConfigFile(file, settingsFrom(flags))
      const out = flags.out ?? `runs/${config.name}-${timestamp(new Date())}`
      const plan = await planJob(config, out)
      if (flags.dryRun === true) {
        const { printCommands } = await import('../cluster/submit-mpirun.js')
        printCommands(plan, hostsOptions(flags), terminal)
        return
      }
      const code = await runOnHosts(plan, hostsOptions(flags), terminal)
      if (code === 0) return
      throw new SaddleError(
        code === 75 ? 'STOPPED' : 'CONFIG',
        code === 75
          ? `the ranks saved and ended. The same command with --out ${out} goes on.`
          : 'the ranks refused the configuration, as they said above.',
        { code },
      )
    })
}

/** What the flags ask of mpirun and of its supervisor. */
export function hostsOptions({
  hosts,
  ssh,
  mpirunOption = [],
  workers,
  retries,
  backoff,
}: HostsFlags) {
  const words = ssh.trim().split(/\s+/)
  const some = workers === undefined ? {} : { workers }
  return { hosts, ssh: words, mpirun: mpirunOption, retries, backoff, ...some }
}

/** The command line of `run-hosts` that says the same as these flags; --out is left to the caller. */
export function hostsWords(file: string, flags: HostsFlags): readonly string[] {
  const { hosts, ssh, mpirunOption = [], workers, retries, backoff } = flags
  return [
    resolve(file),
    `--hosts=${hosts.map(({ name, slots }) => `${name}:${slots}`).join(',')}`,
    `--ssh=${ssh}`,
    ...mpirunOption.map(word => `--mpirun-option=${word}`),
    ...(workers === undefined ? [] : [`--workers=${workers}`]),
    `--retries=${retries}`,
    `--backoff=${backoff}`,
    ...settingsFrom(flags).map(setting => `--set=${setting}`),
  ]
}
