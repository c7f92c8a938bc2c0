import { SaddleError } from '@saddle/core'

/**
 * The safetensors header: 8 bytes N (little-endian u64), then N bytes of JSON
 *
 *   { "__metadata__": { text: text }, NAME: { "dtype", "shape", "data_offsets": [begin, end) }, … }
 *
 * padded with spaces, then the data, to which the offsets are relative: row-major, little-endian, without holes.
 */

/** Element types that are read; halves become float32, which holds all of them, and are never written. */
export const BYTES_OF = { F32: 4, F64: 8, I32: 4, F16: 2, BF16: 2 } as const
export type Dtype = keyof typeof BYTES_OF

export interface TensorEntry {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** From the start of the data; a multiple of the element's size. */
  readonly begin: number
  readonly end: number
}

export interface Header {
  readonly metadata: Readonly<Record<string, string>>
  /** In the order of their data. */
  readonly entries: readonly TensorEntry[]
}

/** What other readers accept at most. */
const MAX_HEADER_BYTES = 100_000_000
/** Data start on a multiple of this, so that a file mapped into memory is aligned. */
const ALIGNMENT = 8

/** Length and JSON, padded. */
export function encodeHeader({ metadata, entries }: Header): Buffer {
  const tensors = entries.map(({ name, dtype, shape, begin, end }) => [
    name,
    { dtype, shape, data_offsets: [begin, end] },
  ])
  const json = Buffer.from(
    JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(tensors) }),
  )
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT
  const bytes = Buffer.alloc(8 + length, ' ')
  bytes.writeBigUInt64LE(BigInt(length), 0)
  json.copy(bytes, 8)
  return bytes
}

/** N, the length of the JSON, from a file's first 8 bytes. */
export function headerLength(file: string, prefix: Buffer, fileBytes: number): number {
  const length = prefix.length < 8 ? 0n : prefix.readBigUInt64LE(0)
  const least = 2n
  if (length >= least && length <= MAX_HEADER_BYTES && 8n + length <= BigInt(fileBytes))
    return Number(length)
  throw damaged(
    file,
    `its header says that it is ${length} bytes long, of a file of ${fileBytes} bytes`,
  )
}

/**
 * Reads the JSON and checks it against the file: known types, shapes that agree with their bytes, data without
 * holes or overlaps that end where the file ends.
 *
 * @param dataBytes bytes of the file after the header
 * @throws SaddleError CHECKPOINT, saying what is wrong
 */
export function decodeHeader(file: string, json: Buffer, dataBytes: number): Header {
  const parsed = parse(file, json)
  const { __metadata__: metadata = {}, ...tensors } = parsed
  if (!isRecord(metadata) || Object.values(metadata).some(text => typeof text !== 'string'))
    throw damaged(file, 'its metadata are not texts')
  const entries = Object.entries(tensors)
    .map(([name, value]) => entryOf(file, name, value))
    .sort((a, b) => a.begin - b.begin || a.end - b.end)
  let position = 0
  for (const { name, begin, end } of entries) {
    if (begin !== position)
      throw damaged(
        file,
        `tensor "${name}" should begin at byte ${position}, and begins at ${begin}`,
      )
    position = end
  }
  if (position !== dataBytes)
    throw damaged(file, `its header describes ${position} bytes of data, and it holds ${dataBytes}`)
  return { metadata: metadata as Record<string, string>, entries }
}

function parse(file: string, json: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json.toString('utf8'))
    if (isRecord(value)) return value
  } catch {
    // Said below, with the file's name.
  }
  throw damaged(file, 'its header is not a JSON object')
}

function entryOf(file: string, name: string, value: unknown): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = isRecord(value) ? value : {}
  if (typeof dtype !== 'string' || !Object.hasOwn(BYTES_OF, dtype))
    throw new SaddleError(
      'CHECKPOINT',
      `${file}: tensor "${name}" is of type ${String(dtype)}, and only ${Object.keys(BYTES_OF).join(', ')} are read. ` +
        'Convert it before saving, in PyTorch with model.float().',
      { file, tensor: name, dtype },
    )
  if (!isSizes(shape)) throw damaged(file, `tensor "${name}" has shape ${JSON.stringify(shape)}`)
  if (!isSizes(offsets) || offsets.length !== 2)
    throw damaged(file, `tensor "${name}" has offsets ${JSON.stringify(offsets)}`)
  const [begin, end] = offsets as [number, number]
  const expected = shape.reduce((a, b) => a * b, 1) * BYTES_OF[dtype as Dtype]
  if (end - begin !== expected)
    throw damaged(
      file,
      `tensor "${name}" of shape [${shape}] takes ${expected} bytes, and has ${end - begin}`,
    )
  return { name, dtype: dtype as Dtype, shape, begin, end }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(n => Number.isSafeInteger(n) && n >= 0)
}

/** The error of a file that is no safetensors file, or no longer. */
export function damaged(file: string, reason: string): SaddleError {
  return new SaddleError(
    'CHECKPOINT',
    `${file} is not a whole safetensors file: ${reason}. It was cut short or changed after it was written; use another copy.`,
    { file, reason },
  )
}
