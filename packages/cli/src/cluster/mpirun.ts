import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { type Host, ranksOf } from './hosts.js'
import { ownCommand } from './own-command.js'
import { findProgram, runTool } from './tools.js'

/** How hosts are reached and ranks are started on them. */
export interface MpirunOptions {
  /** The command that runs another on a host, in words: `ssh -i key`. */
  readonly ssh: readonly string[]
  readonly workers?: number
  /** Words for mpirun as they are. */
  readonly mpirun: readonly string[]
}

/**
 * The words that start one rank for each slot of `hosts` at `run`: training where nothing is there yet, resuming else.
 *
 * - `--bind-to none`: a rank's workers may use all cores of its machine, which Open MPI would bind to one.
 * - `mpi_yield_when_idle`: a rank that waits for others leaves its core to its workers.
 * - `oob_tcp_keepalive_*`: a cut link is noticed within seconds, and not never.
 * - `odls_base_sigkill_timeout`: mpirun waits so many seconds twice whenever a rank ends with another code than 0, even 75
 *   after saving, and even if all others have ended too. A stop is asked for by SIGUSR1, for which this is no limit.
 */
export function mpirunCommand(
  program: string,
  hosts: readonly Host[],
  { config, run }: { readonly config: string; readonly run: string },
  { ssh, workers, mpirun }: MpirunOptions,
): readonly string[] {
  const parameters: Readonly<Record<string, string>> = {
    mpi_yield_when_idle: '1',
    oob_tcp_keepalive_time: '3',
    oob_tcp_keepalive_intvl: '1',
    oob_tcp_keepalive_probes: '3',
    odls_base_sigkill_timeout: '5',
    ...(ssh.length === 1 && ssh[0] === 'ssh' ? {} : { plm_rsh_agent: ssh.join(' ') }),
  }
  const begun = ['config.yaml', 'experiment.yaml'].some(name => existsSync(join(run, name)))
  return [
    program,
    ...(process.getuid?.() === 0 ? ['--allow-run-as-root'] : []),
    '--bind-to',
    'none',
    ...Object.entries(parameters).flatMap(([name, value]) => ['-mca', name, value]),
    ...Object.keys(process.env)
      .filter(name => name.startsWith('SADDLE_'))
      .flatMap(name => ['-x', name]),
    '-H',
    hosts.map(({ name, slots }) => `${name}:${slots}`).join(','),
    '-n',
    String(ranksOf(hosts)),
    ...mpirun,
    ...ownCommand(),
    ...(begun ? ['resume', run] : ['train', config, '--out', run]),
    ...(workers === undefined ? [] : ['--workers', String(workers)]),
  ]
}

/**
 * Open MPI's mpirun: mpirun.openmpi where that name is known (mpirun may be another's there), else mpirun.
 *
 * @throws SaddleError CONFIG if there is none, or mpirun is another's.
 */
export function findMpirun(): string {
  const name = ['mpirun.openmpi', 'mpirun'].find(name => findProgram(name) !== null)
  if (name === undefined)
    throw new SaddleError(
      'CONFIG',
      'mpirun is not on PATH. Install Open MPI on every host (on Debian: openmpi-bin), or load its module.',
    )
  const { stdout } = runTool(name, ['--version'])
  if (/Open MPI|OpenRTE/.test(stdout)) return name
  throw new SaddleError(
    'CONFIG',
    `${name} is not Open MPI's: it says "${stdout.split('\n')[0]}". Put Open MPI's before it on PATH.`,
  )
}
