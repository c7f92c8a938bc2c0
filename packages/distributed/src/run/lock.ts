import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SaddleError } from '@saddle/core'
import type { Ranks } from '../ranks/ranks.js'
import { diskError } from './files.js'

const LOCK = 'lock'

/** Milliseconds between two signs of life: the lock's time of change, which other machines see. */
const BEAT_MS = 10_000

/** File systems of a network show what another machine wrote after some seconds. */
const PATIENCE_MS = 15_000

/**
 * Does `work` with the run folder claimed for this job, so that two of them never write the same metrics and
 * checkpoints. A lock whose process is gone (killed) is taken over; so is one of another machine that the same job
 * left behind (equal SADDLE_JOB, which the scripts of `saddle submit` set): a job has one try at a time. Rank 0 takes it;
 * the others see that the folder is the same one for them.
 *
 * @throws SaddleError CONFIG if another process of this machine is at work in it, or one of another machine may be; or
 *   if the machines of the ranks do not share it
 */
export async function withRunFolder<T>(
  dir: string,
  work: () => Promise<T>,
  ranks: Ranks,
  patience = PATIENCE_MS,
  beats = BEAT_MS,
): Promise<T> {
  const file = join(dir, LOCK)
  const text = await ranks.fromFirst(() => takeLock(dir, file))
  const heart = ranks.isFirst ? setInterval(() => beat(file), beats).unref() : undefined
  try {
    await ranks.together(async () => {
      if (!ranks.isFirst) await requireSameFolder(dir, file, text, patience)
    })
    return await work()
  } finally {
    clearInterval(heart)
    if (ranks.isFirst) rmSync(file, { force: true })
  }
}

/** A sign that does not come is none, and no reason to end a run. */
function beat(file: string): void {
  const now = new Date()
  utimes(file, now, now).catch(() => {})
}

/** Claims the folder; what is in the lock then. */
function takeLock(dir: string, file: string): string {
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
  const { pid } = process
  const started = startOf(pid)
  const text = JSON.stringify({ pid, host: hostname(), job, started, since: Date.now() })
  try {
    writeFileSync(file, text, { flag: 'wx' })
  } catch (error) {
    throw diskError(error, file, 'Earlier checkpoints are intact.')
  }
  return text
}

/** @throws SaddleError CONFIG unless this machine finds the lock that rank 0 wrote. */
async function requireSameFolder(
  dir: string,
  file: string,
  text: string,
  patience: number,
): Promise<void> {
  const deadline = Date.now() + patience
  while (!holds(file, text)) {
    if (Date.now() > deadline)
      throw new SaddleError(
        'CONFIG',
        `${hostname()} does not see the run folder ${resolve(dir)} that rank 0 works in. The machines of a job need one file ` +
          'system for it: name a folder that all of them share with --out.',
        { dir: resolve(dir), host: hostname() },
      )
    await sleep(100)
  }
}

function holds(file: string, text: string): boolean {
  try {
    return readFileSync(file, 'utf8') === text
  } catch {
    return false
  }
}

/** The process at work in a run folder. */
export interface Holder {
  readonly pid: number
  readonly host: string
  /** SADDLE_JOB of that process. */
  readonly job?: string | null
  /** When it started; absent in older locks, and null where the system doesn't tell. */
  readonly started?: string | null
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

function mayBeAlive({ pid, host, job = null, started }: Holder, ownJob: string | null): boolean {
  if (host !== hostname()) return job === null || job !== ownJob
  // The numbers of processes come again, in containers often the same ones at every start.
  if (typeof started === 'string' && startOf(pid) !== started) return false
  if (pid === process.pid) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** When a process started, in ticks since the machine did, which tells it from others of its number; null if unknown. */
function startOf(pid: number): string | null {
  try {
    // After the name, which is in brackets and may hold anything, the 20th field.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}
