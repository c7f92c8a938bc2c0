import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { SaddleError } from '@saddle/core'
import type { JobPlan } from './job-plan.js'

/** A job as it was submitted; a JSON file in the user's state folder, and job.json in the job's own. */
export interface JobRecord {
  readonly scheduler: 'slurm' | 'mpirun'
  /** Slurm's number, or the process id of the supervisor. */
  readonly id: string
  /** The cluster's login node, or the supervisor's machine. */
  readonly host: string
  readonly submitted: string
  readonly name: string
  readonly command: string
  /** The run folder, absolute; that of a sweep holds a folder a cell. */
  readonly run: string
  readonly folder: string
  /** In the order of the tasks of an array. */
  readonly runs: readonly { readonly cell: string; readonly run: string }[]
}

/** Writes a record where `saddle jobs` finds it. */
export function recordJob(
  { name, run, folder, runs }: JobPlan,
  scheduler: JobRecord['scheduler'],
  id: string,
  command: string,
): JobRecord {
  const record: JobRecord = {
    scheduler,
    id,
    host: hostname(),
    submitted: new Date().toISOString(),
    name,
    command,
    run,
    folder,
    runs: runs.map(one => ({ cell: one.cell, run: one.run })),
  }
  const text = `${JSON.stringify(record, null, 2)}\n`
  mkdirSync(stateFolder(), { recursive: true })
  writeFileSync(fileOf(record), text)
  writeFileSync(join(folder, 'job.json'), text)
  return record
}

/** All jobs that this user submitted with Saddle and has not forgotten, oldest first. */
export function recordedJobs(): readonly JobRecord[] {
  if (!existsSync(stateFolder())) return []
  return readdirSync(stateFolder())
    .filter(name => name.endsWith('.json'))
    .flatMap(name => readRecord(join(stateFolder(), name)))
    .sort((a, b) => (a.submitted < b.submitted ? -1 : 1))
}

/**
 * The job that `what` names: its id, or its run folder (then the newest one of it); null if there is none.
 */
export function findJob(what: string): JobRecord | null {
  const jobs = recordedJobs()
  const byId = jobs.findLast(({ id }) => id === what)
  const dir = resolve(what)
  return (
    byId ?? jobs.findLast(({ run, runs }) => run === dir || runs.some(r => r.run === dir)) ?? null
  )
}

/** @throws SaddleError CONFIG if `what` names no job. */
export function requireJob(what: string): JobRecord {
  const job = findJob(what)
  if (job !== null) return job
  throw new SaddleError(
    'CONFIG',
    `${what} is no job that was submitted here. \`saddle jobs\` lists the jobs.`,
    { what },
  )
}

/** @throws SaddleError CONFIG if `what` is neither a job nor a folder. */
export function requireJobOrFolder(what: string): JobRecord | string {
  const job = findJob(what)
  if (job !== null) return job
  if (existsSync(what)) return what
  throw new SaddleError(
    'CONFIG',
    `${what} is no job that was submitted with \`saddle submit\` here, and no folder. \`saddle jobs\` lists the jobs.`,
    { what },
  )
}

/** Forgets a job; its run folders stay. */
export function forgetJob(record: JobRecord): void {
  rmSync(fileOf(record), { force: true })
}

/** A number of Slurm's is unique on one cluster only, a process id on one machine. */
function fileOf({ scheduler, id, submitted }: JobRecord): string {
  return join(stateFolder(), `${scheduler}-${id}-${submitted.replace(/\W/g, '')}.json`)
}

function readRecord(file: string): JobRecord[] {
  try {
    return [JSON.parse(readFileSync(file, 'utf8')) as JobRecord]
  } catch {
    return []
  }
}

function stateFolder(): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'saddle/jobs')
}
