import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** The folders of a run's checkpoints: `checkpoints/step-000150`. What begins with a dot is unfinished or going. */

export const CHECKPOINTS = 'checkpoints'

/** N of step-N is zero-padded, so that names sort as their numbers do. */
export function stepName(step: number): string {
  return `step-${String(step).padStart(6, '0')}`
}

/** The newest finished checkpoint of a run folder, or null; it is not read. */
export async function latestCheckpoint(dir: string): Promise<string | null> {
  return (await listCheckpoints(join(dir, CHECKPOINTS)))[0] ?? null
}

/** Finished checkpoints in a folder of them, newest first. */
export async function listCheckpoints(parent: string): Promise<string[]> {
  return (await entriesOf(parent))
    .flatMap(name => {
      const step = /^step-(\d+)$/.exec(name)?.[1]
      return step === undefined ? [] : [{ name, step: Number(step) }]
    })
    .sort((a, b) => b.step - a.step)
    .map(({ name }) => join(parent, name))
}

/** A hidden name beside the finished checkpoints, which says whose it is. */
export function hiddenName(what: 'writing' | 'removing', name: string): string {
  return `.${what}-${name}-${process.pid}`
}

/** Removes what writers left behind that were killed; a writer's folder is its own while it lives. */
export async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await entriesOf(parent)) {
    const owner = /^\.(?:writing|removing)-.*-(\d+)$/.exec(name)?.[1]
    if (owner !== undefined && !isOtherLiveProcess(Number(owner)))
      await rm(join(parent, name), { recursive: true, force: true })
  }
}

/** Removes a checkpoint so that no moment shows half of one. */
export async function removeCheckpoint(parent: string, name: string): Promise<void> {
  const hidden = join(parent, hiddenName('removing', name))
  await rename(join(parent, name), hidden)
  await rm(hidden, { recursive: true, force: true })
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function isOtherLiveProcess(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
