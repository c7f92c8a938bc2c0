import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SaddleError } from '@saddle/core'

/** Writing that survives a crash: whole files or none, flushed to the disk before they get their name. */

/**
 * Writes a file beside its place, flushes it and renames it there: a reader, or a run killed at any moment, finds
 * the old file or the new one.
 *
 * @throws SaddleError DISK if the disk is full or the folder is missing or cannot be written; the old file is then intact.
 */
export async function writeAtomic(
  file: string,
  write: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = `${file}.writing`
  try {
    await writeSynced(temporary, write)
    await rename(temporary, file)
    await syncFolder(dirname(file))
  } catch (error) {
    await discard(temporary)
    throw diskError(error, file, 'A file of that name is as it was. Put that right and try again.')
  }
}

export async function writeFileAtomic(file: string, text: string): Promise<void> {
  await writeAtomic(file, handle => handle.writeFile(text))
}

/** Writes a value as JSON to be read by people too, whole or not at all. */
export async function writeJsonAtomic(file: string, value: unknown): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`)
}

/** Removes what an error left behind; that it cannot is not the error to report. */
export async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {})
}

/** Creates or replaces a file and flushes it to the disk. */
export async function writeSynced<T>(
  file: string,
  write: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await open(file, 'w')
  try {
    const result = await write(handle)
    await handle.sync()
    return result
  } finally {
    await handle.close()
  }
}

/** Flushes a folder's entries, so that a rename in it outlives a power cut. Windows has no such thing. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'it is larger than files may be here',
  EROFS: 'the file system is read-only',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EIO: 'the disk reported an error',
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its folder is a file',
  EISDIR: 'it is a folder',
  EEXIST: 'a file is in its way',
}

/** A DISK error that says what could not be written, if that is what `error` means; otherwise `error` itself. */
export function diskError(error: unknown, what: string, advice: string): unknown {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  const reason = code === undefined ? undefined : REASONS[code]
  if (reason === undefined || error instanceof SaddleError) return error
  return new SaddleError('DISK', `Could not write ${what}: ${reason} (${code}). ${advice}`, {
    what,
    reason: code,
  })
}
