import { userInfo } from 'node:os'
import { SaddleError } from '@saddle/core'
import type { SlurmOptions } from './slurm-script.js'
import { parseTimeLimit } from './time-limit.js'
import { findProgram, requireProgram, runTool } from './tools.js'

/**
 * Finds what Slurm would refuse, or leave waiting for ever: no Slurm here, partitions and accounts that do not exist, more
 * time or nodes than a partition gives, a way of introducing ranks that srun does not know.
 *
 * @returns what could not be found out.
 * @throws SaddleError CONFIG that says what there is instead.
 */
export function checkSlurm(options: SlurmOptions): readonly string[] {
  requireProgram('sbatch', 'Log in to a node of the cluster, or see the script with --dry-run.')
  checkPartition(options)
  if (options.nodes * options.ranksPerNode > 1) checkMpi(options.mpi)
  const doubt = options.account === undefined ? null : checkAccount(options.account)
  return doubt === null ? [] : [doubt]
}

/** A partition as sinfo has it: name, time limit, nodes. */
function checkPartition({ partition, nodes, time }: SlurmOptions): void {
  const { status, stdout, stderr } = runTool('sinfo', ['-h', '-o', '%R|%l|%D|%P'])
  if (status !== 0)
    throw new SaddleError(
      'CONFIG',
      `Slurm does not answer: ${stderr.split('\n').at(-1)}. Is its controller up, and SLURM_CONF right?`,
    )
  const partitions = stdout
    .trim()
    .split('\n')
    .map(line => {
      const [name = '', limit = '', count = '', marked = ''] = line.split('|')
      return { name, limit, count: Number(count), standard: marked.endsWith('*') }
    })
  const wanted = partition?.split(',') ?? partitions.filter(p => p.standard).map(p => p.name)
  const names = [...new Set(partitions.map(({ name }) => name))]
  const unknown = wanted.find(name => !names.includes(name))
  if (unknown !== undefined)
    throw new SaddleError(
      'CONFIG',
      `There is no partition "${unknown}". This cluster has ${names.join(', ')}.`,
      { partition: unknown, partitions: names },
    )
  const chosen = partitions.filter(({ name }) => wanted.includes(name))
  const most = Math.max(
    ...wanted.map(name => sum(chosen.filter(p => p.name === name).map(p => p.count))),
  )
  if (chosen.length > 0 && nodes > most)
    throw new SaddleError(
      'CONFIG',
      `--nodes ${nodes}: partition ${wanted.join(',')} has ${most}. Take fewer, or another partition.`,
      { nodes, most },
    )
  const seconds = time === undefined ? null : parseTimeLimit(time)
  const limits = chosen.map(({ limit }) => (limit === 'n/a' ? null : parseTimeLimit(limit)))
  if (
    seconds === null ||
    chosen.length === 0 ||
    limits.some(limit => limit === null || limit >= seconds)
  )
    return
  throw new SaddleError(
    'CONFIG',
    `--time ${time}: partition ${wanted.join(',')} gives at most ${chosen.map(p => p.limit).join(', ')}. A run goes on over several jobs: ask for less, with --requeue.`,
    { time, limits: chosen.map(p => p.limit) },
  )
}

/**
 * Where there is an accounting database, it knows the accounts of this user; elsewhere sbatch judges.
 *
 * @returns null if the account is there, else why that cannot be told.
 */
function checkAccount(account: string): string | null {
  const unknown = (reason: string) =>
    `Whether there is an account "${account}" cannot be told: ${reason}. Slurm may refuse it, or take any.`
  if (findProgram('sacctmgr') === null) return unknown('sacctmgr is not on PATH')
  const ask = (...words: string[]) => {
    const { status, stdout, stderr } = runTool('sacctmgr', ['-nP', 'show', ...words])
    const names = stdout.split('\n').flatMap(line => line.trim().split('|')[0] || [])
    return { names: [...new Set(names)], failure: status === 0 ? null : stderr.split('\n').at(-1) }
  }
  const user = userInfo().username
  const { names, failure } = ask('assoc', `user=${user}`, 'format=account')
  if (failure !== null)
    return unknown(`the cluster has no accounting database that answers (${failure})`)
  // Slurm keeps names in lower case.
  if (names.includes(account.toLowerCase())) return null
  const known = names.length > 0 ? names : ask('account', 'format=account').names
  if (names.length === 0 && known.includes(account.toLowerCase())) return null
  throw new SaddleError(
    'CONFIG',
    names.length > 0
      ? `${user} has no account "${account}" on this cluster, but ${known.join(', ')}.`
      : `There is no account "${account}" on this cluster, but ${known.join(', ') || 'none'}.`,
    { account, accounts: known },
  )
}

function checkMpi(mpi: string): void {
  if (mpi === 'mpirun') return
  const { status, stdout, stderr } = runTool('srun', ['--mpi=list'])
  if (status !== 0) return
  const known = `${stdout}\n${stderr}`
    .split('\n')
    .map(line => line.trim())
    .filter(line => /^\w+$/.test(line))
  if (known.includes(mpi)) return
  throw new SaddleError(
    'CONFIG',
    `--mpi ${mpi}: srun knows ${known.join(', ')}. Open MPI takes pmix, MPICH pmi2; without either, Open MPI's own launcher: --mpi mpirun.`,
    { mpi, known },
  )
}

/**
 * Hands a script to sbatch.
 *
 * @returns the job's id.
 * @throws SaddleError CONFIG with what sbatch said, if it refuses.
 */
export function submitScript(script: string): string {
  const { status, stdout, stderr } = runTool('sbatch', ['--parsable', script])
  const id = stdout.trim().split(';')[0] ?? ''
  if (status === 0 && /^\d+$/.test(id)) return id
  throw new SaddleError(
    'CONFIG',
    `sbatch refused ${script}: ${stderr.replace(/^sbatch: (error: )?/gm, '')}`,
    { script },
  )
}

/** A job, or a task of an array, as Slurm has it. */
export interface SlurmState {
  /** RUNNING, PENDING, COMPLETED, … */
  readonly state: string
  /** Why it waits, or the nodes it runs on. */
  readonly where: string
  readonly elapsed: string
}

/**
 * What Slurm knows of this user's jobs, by `12` or `12_3`; those that ended some minutes ago are forgotten. Null if Slurm
 * does not answer.
 */
export function slurmStates(): ReadonlyMap<string, SlurmState> | null {
  const fields = '%i|%T|%R|%M'
  const { status, stdout } = runTool('squeue', ['--me', '-h', '-r', '--states=all', '-o', fields])
  if (status !== 0) return null
  const rows = stdout.split('\n').filter(line => line !== '')
  return new Map(
    rows.map(line => {
      const [id = '', state = '', where = '', elapsed = ''] = line.split('|')
      return [id, { state, where, elapsed }]
    }),
  )
}

/** States of a job that Slurm will still do something for. */
export function isActive({ state }: SlurmState): boolean {
  return !/^(BOOT_FAIL|CANCELLED|COMPLETED|DEADLINE|FAILED|NODE_FAIL|OUT_OF_MEMORY|PREEMPTED|TIMEOUT)/.test(
    state,
  )
}

/** @throws SaddleError CONFIG with what scancel said. */
export function cancelJob(id: string): void {
  requireProgram('scancel', 'Log in to a node of the cluster.')
  const { status, stderr } = runTool('scancel', [id])
  if (status === 0 && stderr === '') return
  throw new SaddleError(
    'CONFIG',
    `scancel ${id}: ${stderr.replace(/^scancel: (error: )?/gm, '')}`,
    { id },
  )
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
