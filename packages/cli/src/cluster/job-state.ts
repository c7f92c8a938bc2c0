import { hostname } from 'node:os'
import type { JobRecord } from './records.js'
import { type RunState, runState } from './run-state.js'
import { isActive, type SlurmState } from './slurm.js'

/** How a job stands: what its scheduler says, and what its run folders do. */
export interface JobState {
  readonly job: JobRecord
  /** `running`, `pending`, `done`, `3 running, 2 pending, 5 done` for an array. */
  readonly state: string
  /** The scheduler will still do something for it. */
  readonly active: boolean
  /** Time it has run, as the scheduler says; empty if it says nothing. */
  readonly elapsed: string
  /** Why it waits, or where it runs. */
  readonly where: string
  readonly stepsDone: number
  /** Of the runs that have begun; those of the others are not known. */
  readonly steps: number
  readonly runs: readonly (RunState & { readonly cell: string })[]
}

/** @param slurm what squeue knows; null if it does not answer. */
export async function jobState(
  job: JobRecord,
  slurm: ReadonlyMap<string, SlurmState> | null,
): Promise<JobState> {
  const runs = await Promise.all(
    job.runs.map(async ({ cell, run }) => ({ ...(await runState(run)), cell })),
  )
  const tasks = job.runs.map((_, index) => taskOf(job, index, slurm))
  const states = runs.map((run, index) => word(run, tasks[index]))
  const known = tasks.filter(task => task !== undefined)
  return {
    job,
    state: counted(states),
    active: job.scheduler === 'mpirun' ? processLives(job) : known.some(isActive),
    elapsed: known.find(isActive)?.elapsed ?? known[0]?.elapsed ?? '',
    where: known.find(isActive)?.where ?? '',
    stepsDone: total(runs.map(({ progress }) => Math.floor(progress.done))),
    steps: total(runs.map(({ progress }) => progress.steps)),
    runs,
  }
}

/** Whether the supervisor of an mpirun job is alive; on another machine that cannot be seen from here. */
export function processLives({ host, id }: JobRecord): boolean {
  if (host !== hostname()) return false
  try {
    process.kill(Number(id), 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function taskOf(
  { id, runs, scheduler }: JobRecord,
  index: number,
  slurm: ReadonlyMap<string, SlurmState> | null,
): SlurmState | undefined {
  if (scheduler !== 'slurm') return undefined
  return runs[0]?.cell === '' ? slurm?.get(id) : slurm?.get(`${id}_${index}`)
}

/** A run that is done is done, whatever became of its job; else the scheduler knows best. */
function word({ phase, silence }: RunState, task: SlurmState | undefined): string {
  if (phase === 'done') return 'done'
  if (task !== undefined) return task.state.toLowerCase()
  if (silence !== null) return 'no news'
  return phase === 'absent' ? 'not begun' : phase
}

/** `running`, or `3 done, 1 running` where there are several. */
function counted(states: readonly string[]): string {
  if (states.length === 1) return states[0]!
  const kinds = [...new Set(states)].sort()
  return kinds.map(kind => `${states.filter(s => s === kind).length} ${kind}`).join(', ')
}

function total(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
