import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { SaddleError } from '@saddle/core'
import type { FileRecord } from './safetensors.js'

/** Of all files of a checkpoint; 1 kept the folded first layer in other coordinates. */
export const FORMAT = 2

/** Of the manifest of a checkpoint whose tensors lie in several files, which older versions can't read. */
export const FORMAT_OF_PARTS = 3

type Format = typeof FORMAT | typeof FORMAT_OF_PARTS

/** manifest.json of a checkpoint: length and SHA-256 of each of its other files, and of itself. */
export interface Manifest {
  readonly format: Format
  readonly files: Readonly<Record<string, FileRecord>>
}

export const MANIFEST = 'manifest.json'

export function manifestText({ format, files }: Manifest): string {
  const sha256 = sha256Of(JSON.stringify({ format, files }))
  return `${JSON.stringify({ format, files, sha256 }, null, 2)}\n`
}

/**
 * @throws SaddleError CHECKPOINT if the manifest is missing, damaged, or of another format
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, MANIFEST)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw broken(file, error.code === 'ENOENT' ? 'it is missing' : error.message)
  })
  const { format, files } = parse(text)
  if (format !== undefined && !isFormat(format))
    throw new SaddleError(
      'CHECKPOINT',
      `${folder} has format ${format}; this version of Saddle reads formats ${FORMAT} and ${FORMAT_OF_PARTS}. Resume it with the version that wrote it.`,
      { folder, format },
    )
  if (!isFormat(format) || files === undefined || manifestText({ format, files }) !== text)
    throw broken(file, 'it was changed after it was written')
  return { format, files }
}

/** @throws SaddleError CHECKPOINT unless each file of the manifest is there, of its length and hash */
export async function verify(folder: string, { files }: Manifest): Promise<void> {
  for (const [name, expected] of Object.entries(files)) {
    const file = join(folder, name)
    const bytes = await stat(file).then(
      ({ size }) => size,
      () => null,
    )
    if (bytes === null) throw broken(file, 'it is missing')
    if (bytes !== expected.bytes)
      throw broken(file, `expected ${expected.bytes} bytes, got ${bytes}`)
    const sha256 = await hashFile(file)
    if (sha256 !== expected.sha256)
      throw new SaddleError(
        'CHECKPOINT',
        `${file} is damaged: expected SHA-256 ${expected.sha256}, got ${sha256}.`,
        { file, expected: expected.sha256, got: sha256 },
      )
  }
}

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}

function isFormat(format: unknown): format is Format {
  return format === FORMAT || format === FORMAT_OF_PARTS
}

function parse(text: string): { format?: unknown; files?: Manifest['files'] } {
  try {
    return (JSON.parse(text) as object | null) ?? {}
  } catch {
    return {}
  }
}

function broken(file: string, reason: string): SaddleError {
  return new SaddleError('CHECKPOINT', `${file} is damaged: ${reason}.`, { file, reason })
}
