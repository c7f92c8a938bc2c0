import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { SaddleError } from '../errors.js'

/** A data file's path as the user wrote it, which errors show, and where it is. */
export interface DataFile {
  readonly name: string
  readonly path: string
}

export function dataFile(name: string, directory: string): DataFile {
  return { name, path: resolve(directory, name) }
}

/**
 * The bytes of a file; those of a gzip file, which its first two bytes tell, unpacked.
 *
 * @throws SaddleError DATA if it cannot be read or unpacked.
 */
export async function readBytes(file: DataFile): Promise<Uint8Array> {
  const bytes = await readFile(file.path).catch((error: NodeJS.ErrnoException) => {
    const reason =
      error.code === 'ENOENT'
        ? 'no such file'
        : `it cannot be read (${error.code}: ${error.message})`
    throw new SaddleError(
      'DATA',
      `Data file ${file.name}: ${reason}; expected it at ${file.path}. Paths are relative to the folder of the configuration.`,
      { file: file.name, path: file.path },
    )
  })
  if (!(bytes[0] === 0x1f && bytes[1] === 0x8b)) return bytes
  try {
    return gunzipSync(bytes)
  } catch (error) {
    throw new SaddleError(
      'DATA',
      `${file.name} begins like a gzip file but cannot be unpacked (${(error as Error).message}): it is truncated or damaged, ${bytes.length} bytes long. Fetch it again.`,
      { file: file.name, bytes: bytes.length },
    )
  }
}

/** Throws DATA unless a file has as many bytes, after unpacking, as its own header announces. */
export function assertLength(file: string, expected: number, got: number, layout: string): void {
  if (expected === got) return
  const difference =
    got < expected ? `it is truncated` : `${got - expected} bytes trail after the last element`
  throw new SaddleError(
    'DATA',
    `${file}: expected ${expected} bytes (${layout}), got ${got}: ${difference}. Fetch or write the file again.`,
    { file, expected, got },
  )
}
