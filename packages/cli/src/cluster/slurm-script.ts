import { SaddleError } from '@saddle/core'
import type { JobPlan } from './job-plan.js'
import { ownCommand, ownVersion } from './own-command.js'
import { commentLine, outputPattern, sbatchQuote, shellJoin, shellQuote } from './quote.js'
import { fillTemplate, type Template } from './template.js'
import { parseTimeLimit } from './time-limit.js'

/** What a job asks of Slurm. */
export interface SlurmOptions {
  readonly nodes: number
  readonly ranksPerNode: number
  readonly gpusPerNode?: number
  /** Processors a rank. */
  readonly cpus?: number
  readonly workers?: number
  readonly time?: string
  readonly partition?: string
  readonly account?: string
  readonly requeue: boolean
  readonly retries: number
  /** Seconds of the first pause after a failure. */
  readonly backoff: number
  /** Seconds before the time limit at which the ranks are told to save. */
  readonly saveBefore?: number
  /**
   * How ranks are introduced to each other: by srun, with pmix for Open MPI and pmi2 for MPICH; or `mpirun`, where srun knows
   * neither: that of Open MPI, in the job's allocation.
   */
  readonly mpi: string
  /** Tasks of an array that run at once. */
  readonly parallel?: number
  /** Options for sbatch as they are: `--constraint=a100`. */
  readonly sbatch: readonly string[]
}

/**
 * The batch script of a plan.
 *
 * @param command the words of the command that asked for it, which the script's head tells.
 * @throws SaddleError CONFIG if options do not fit each other, or the template has an unknown place.
 */
export function slurmScript(
  plan: JobPlan,
  options: SlurmOptions,
  template: Template,
  command: readonly string[],
): string {
  const lines = (items: readonly string[]) => items.map(item => `  ${shellQuote(item)}`).join('\n')
  return fillTemplate(template, {
    version: ownVersion(),
    directory: commentLine(process.cwd()),
    command: commentLine(shellJoin(command)),
    name: shellQuote(plan.name),
    directives: directives(plan, options)
      .map(line => `#SBATCH ${line}`)
      .join('\n'),
    runs: lines(plan.runs.map(({ run }) => run)),
    configs: lines(plan.runs.map(({ file }) => file)),
    saddle: shellJoin(ownCommand()),
    launch: launch(options).join(' '),
    flags: flags(plan, options),
    retries: String(options.retries),
    backoff: String(options.backoff),
    requeue: options.requeue ? '1' : '0',
    nodes: String(options.nodes),
    ranks: String(options.nodes * options.ranksPerNode),
  })
}

function directives(plan: JobPlan, options: SlurmOptions): string[] {
  const { nodes, ranksPerNode, gpusPerNode, cpus, time, partition, account, requeue } = options
  const output = `${outputPattern(plan.folder)}/output-${plan.swept ? '%A_%a' : '%j'}.txt`
  const value = (name: string, text: string | number | undefined) =>
    text === undefined ? [] : [`--${name}=${sbatchQuote(String(text))}`]
  return [
    ...value('job-name', `saddle-${plan.name}`),
    ...value('nodes', nodes),
    ...value('ntasks-per-node', ranksPerNode),
    ...value('cpus-per-task', cpus ?? options.workers),
    ...value('gpus-per-node', gpusPerNode),
    ...value('time', time),
    ...value('partition', partition),
    ...value('account', account),
    ...(plan.swept ? value('array', arrayOf(plan, options.parallel)) : []),
    requeue ? '--requeue' : '--no-requeue',
    `--signal=B:USR1@${saveBefore(options)}`,
    '--open-mode=append',
    ...value('output', output),
    ...options.sbatch.map(passedOn),
  ]
}

/** `--name` or `--name=value`; the value is quoted for sbatch. */
function passedOn(option: string): string {
  const match = /^(--[a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(option)
  if (match === null)
    throw new SaddleError(
      'CONFIG',
      `--sbatch "${option}": expected an option of sbatch in its long form, such as --constraint=a100.`,
      { option },
    )
  return match[2] === undefined ? match[1]! : `${match[1]}=${sbatchQuote(match[2])}`
}

/** Indices of the cells that are not done: `0-3,7%2`. */
function arrayOf({ runs }: JobPlan, parallel: number | undefined): string {
  const open = runs.flatMap(({ done }, index) => (done ? [] : [index]))
  const ranges: [number, number][] = []
  for (const index of open) {
    const last = ranges.at(-1)
    if (last?.[1] === index - 1) last[1] = index
    else ranges.push([index, index])
  }
  const text = ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
  return parallel === undefined ? text : `${text}%${parallel}`
}

/** Two minutes, or a quarter of a limit that is shorter than eight: saving is to find time, and so is training. */
function saveBefore({ time, saveBefore: asked }: SlurmOptions): number {
  const limit = time === undefined ? null : parseTimeLimit(time)
  const seconds = asked ?? Math.min(120, Math.floor((limit ?? 480) / 4))
  if (limit === null || seconds < limit) return seconds
  throw new SaddleError(
    'CONFIG',
    `--save-before ${seconds}: expected less than the time limit, which is ${limit} s. Nothing would be trained.`,
    { seconds, limit },
  )
}

/** srun ends all ranks when one dies; a single rank needs no introduction to others. */
function launch({ nodes, ranksPerNode, gpusPerNode, cpus, workers, mpi }: SlurmOptions): string[] {
  const ranks = nodes * ranksPerNode
  if (gpusPerNode !== undefined && gpusPerNode % ranksPerNode !== 0)
    throw new SaddleError(
      'CONFIG',
      `${ranksPerNode} ranks a node cannot share ${gpusPerNode} GPUs evenly. Take a number that divides them.`,
      { ranksPerNode, gpusPerNode },
    )
  if (mpi === 'mpirun' && ranks > 1) return byMpirun(ranks, ranksPerNode)
  const processors = cpus ?? workers
  return [
    'srun',
    '--kill-on-bad-exit=1',
    `--mpi=${ranks === 1 ? 'none' : mpi}`,
    `--ntasks=${ranks}`,
    `--ntasks-per-node=${ranksPerNode}`,
    ...(processors === undefined ? [] : [`--cpus-per-task=${processors}`]),
    ...(gpusPerNode === undefined || ranksPerNode === 1
      ? []
      : [`--gpus-per-task=${gpusPerNode / ranksPerNode}`]),
  ]
}

/** Open MPI's mpirun finds the nodes of the allocation itself; its ranks see all GPUs of a node, and share them out. */
function byMpirun(ranks: number, ranksPerNode: number): string[] {
  const program = '"$(command -v mpirun.openmpi || echo mpirun)"'
  const each = `ppr:${ranksPerNode}:node`
  const root = process.getuid?.() === 0 ? ['--allow-run-as-root'] : []
  const settings = ['-mca', 'odls_base_sigkill_timeout', '5', '-x', 'SADDLE_JOB']
  return [program, ...root, '--bind-to', 'none', ...settings, '--map-by', each, '-n', `${ranks}`]
}

/** Workers: as asked; else a GPU each where there are GPUs; else one for each processor Slurm gave to a rank. */
function flags(
  { runs }: JobPlan,
  { workers, cpus, gpusPerNode, ranksPerNode }: SlurmOptions,
): string {
  if (workers !== undefined) return `--workers ${workers}`
  const chosen = runs.every(
    ({ config: { compute } }) => compute.workers !== 'auto' || compute.devices !== 'auto',
  )
  if (chosen || gpusPerNode !== undefined) return ''
  return `--workers ${cpus ?? `$((SLURM_CPUS_ON_NODE / ${ranksPerNode}))`}`
}
