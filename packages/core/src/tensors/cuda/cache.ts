import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { threadId } from 'node:worker_threads'

/** Compiled programs on disk, by everything that they depend on. Only speed is lost when the disk says no. */
export interface ProgramCache {
  read(key: string): Uint8Array | null
  write(key: string, program: Uint8Array): void
}

/** One name for source text, architecture and compiler. */
export function programKey(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex')
}

/** Files in $XDG_CACHE_HOME/saddle/cuda (~/.cache by default). */
export function diskCache(folder = cacheFolder()): ProgramCache {
  const fileOf = (key: string) => join(folder, `${key}.bin`)
  return {
    read: key => attempt(() => unsealed(readFileSync(fileOf(key)))),
    write(key, program) {
      attempt(() => {
        const file = fileOf(key)
        // Threads and processes may compile the same program at once: each moves a whole file into place.
        const own = `${file}.${process.pid}.${threadId}`
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(own, sealed(program))
        renameSync(own, file)
      })
    },
  }
}

const DIGEST_BYTES = 32
const digest = (program: Uint8Array) => createHash('sha256').update(program).digest()

/** The driver is told where a program begins and not where it ends: what was damaged must not get there. */
function sealed(program: Uint8Array): Uint8Array {
  return Buffer.concat([digest(program), program])
}

function unsealed(file: Buffer): Uint8Array | null {
  const program = file.subarray(DIGEST_BYTES)
  return digest(program).equals(file.subarray(0, DIGEST_BYTES)) ? program : null
}

function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME
  return join(
    base === undefined || base === '' ? join(homedir(), '.cache') : base,
    'saddle',
    'cuda',
  )
}

function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}
