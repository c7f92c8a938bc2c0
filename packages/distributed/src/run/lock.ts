import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { diskError } from './files.js'

const LOCK = 'lock'

/**
 * Does `work` with the run folder claimed for this process, so that two of them never write the same metrics and
 * checkpoints. A lock whose process is gone (killed) is taken over; so is one of another machine that the same job
 * left behind (equal SADDLE_JOB, which the scripts of `saddle submit` set): a job has one try at a time.
 *
 * @throws SaddleError CONFIG if another process of this machine is at work in it, or one of another machine may be
 */
export async function withRunFolder<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const file = join(dir, LOCK)
  const holder = holderOf(file)
  const job = process.env.SADDLE_JOB ?? null
  if (holder !== null && mayBeAlive(holder, job))
    throw new SaddleError(
      'CONFIG',
      `${dir} is in use by process ${holder.pid} on ${holder.host}. Wait for it or stop it; if it is gone, delete ${file} ` +
        'and try again.',
      { dir, ...holder },
    )
  rmSync(file, { force: true })
  try {
    writeFileSync(file, JSON.stringify({ pid: process.pid, host: hostname(), job }), { flag: 'wx' })
  } catch (error) {
    throw diskError(error, file, 'Earlier checkpoints are intact.')
  }
  try {
    return await work()
  } finally {
    rmSync(file, { force: true })
  }
}

/** The process at work in a run folder. */
export interface Holder {
  readonly pid: number
  readonly host: string
  /** SADDLE_JOB of that process. */
  readonly job?: string | null
}

/** Who is at work in a run folder; null if nobody is, as far as this machine can tell. */
export function runHolder(dir: string): Holder | null {
  const holder = holderOf(join(dir, LOCK))
  return holder !== null && mayBeAlive(holder, null) ? holder : null
}

/** Null if there is no lock, or one that was never finished. */
function holderOf(file: string): Holder | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder
  } catch {
    return null
  }
}

function mayBeAlive({ pid, host, job = null }: Holder, ownJob: string | null): boolean {
  if (host !== hostname()) return job === null || job !== ownJob
  if (pid === process.pid) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
