import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { SaddleError } from '@saddle/core'
import type { Range } from '../replica/shards.js'
import {
  BYTES_OF,
  type Dtype,
  damaged,
  decodeHeader,
  encodeHeader,
  type Header,
  headerLength,
  type TensorEntry,
} from './safetensors-header.js'

/** Element types by their array. */
type TensorData = Float32Array | Float64Array | Int32Array

export interface SafeTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** Row-major. */
  readonly data: TensorData
}

/** What a file is known by. */
export interface FileRecord {
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
}

/** Bytes copied, hashed and written at a time. */
const CHUNK = 1 << 23

/**
 * Writes tensors as one safetensors file, which Python, Rust and browsers read. Data are streamed chunk by chunk:
 * no second copy of them is made. They must not change until the promise resolves.
 *
 * @param handle open for writing at its start; null writes nothing and only measures and hashes
 * @returns length and SHA-256 of exactly the bytes that were written
 * @throws SaddleError SHAPE if a shape does not fit its data, or a name occurs twice
 */
export async function writeSafetensors(
  handle: FileHandle | null,
  tensors: readonly SafeTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<FileRecord> {
  const header = layOut(tensors, metadata)
  const byName = new Map(tensors.map(tensor => [tensor.name, tensor]))
  const hash = createHash('sha256')
  let bytes = 0
  const put = async (chunk: Uint8Array) => {
    hash.update(chunk)
    if (handle !== null) await writeAll(handle, chunk)
    bytes += chunk.length
  }
  await put(encodeHeader(header))
  const room = Buffer.allocUnsafe(Math.min(CHUNK, header.entries.at(-1)?.end ?? 0))
  for (const { name } of header.entries) {
    const { data } = byName.get(name)!
    const whole = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    for (let at = 0; at < whole.length; at += CHUNK) {
      // A copy of our own: what is hashed is what is written, and no shared memory reaches the file system.
      const chunk = room.subarray(0, Math.min(CHUNK, whole.length - at))
      chunk.set(whole.subarray(at, at + chunk.length))
      await put(chunk)
    }
  }
  return { bytes, sha256: hash.digest('hex') }
}

/** Which rows, indices of the first dimension, are to be read of a tensor that has so many. */
export type WantedRows = (name: string, rows: number) => Range

/**
 * Reads a safetensors file.
 *
 * @param wanted default: all rows of every tensor
 * @throws SaddleError CHECKPOINT if it cannot be read, is cut short, or its header does not fit its data
 */
export async function readSafetensors(
  file: string,
  wanted: WantedRows = (_, rows) => ({ start: 0, stop: rows }),
): Promise<{ tensors: Map<string, SafeTensor>; metadata: Readonly<Record<string, string>> }> {
  const handle = await open(file, 'r').catch((error: Error) => {
    throw damaged(file, `it cannot be opened (${error.message})`)
  })
  try {
    const { size } = await handle.stat()
    const length = headerLength(file, await readExactly(handle, file, 0, Math.min(8, size)), size)
    const json = await readExactly(handle, file, 8, length)
    const { entries, metadata } = decodeHeader(file, json, size - 8 - length)
    const tensors = new Map<string, SafeTensor>()
    for (const entry of entries)
      tensors.set(entry.name, await readTensor(handle, file, rowsOf(entry, wanted), 8 + length))
    return { tensors, metadata }
  } finally {
    await handle.close()
  }
}

/** An entry of some rows of a tensor. */
function rowsOf(entry: TensorEntry, wanted: WantedRows): TensorEntry {
  const [rows, ...rest] = entry.shape
  if (rows === undefined || rows === 0) return entry
  const { start, stop } = wanted(entry.name, rows)
  const bytes = (entry.end - entry.begin) / rows
  return {
    ...entry,
    shape: [stop - start, ...rest],
    begin: entry.begin + start * bytes,
    end: entry.begin + stop * bytes,
  }
}

/** Tensors one after the other, those of the largest elements first, so that each is aligned. */
function layOut(
  tensors: readonly SafeTensor[],
  metadata: Readonly<Record<string, string>>,
): Header {
  const sizes = tensors.map(tensor => ({ ...tensor, dtype: dtypeOf(tensor.data) }))
  sizes.sort((a, b) => BYTES_OF[b.dtype] - BYTES_OF[a.dtype])
  let position = 0
  const entries = sizes.map(({ name, shape, data, dtype }): TensorEntry => {
    if (shape.reduce((a, b) => a * b, 1) !== data.length)
      throw new SaddleError(
        'SHAPE',
        `Tensor "${name}": expected ${data.length} elements, got shape [${shape}].`,
        { name, shape, length: data.length },
      )
    const begin = position
    position += data.byteLength
    return { name, dtype, shape, begin, end: position }
  })
  const names = new Set(['__metadata__', ...entries.map(({ name }) => name)])
  if (names.size !== entries.length + 1)
    throw new SaddleError(
      'SHAPE',
      'Tensors of one file need names that differ, not "__metadata__".',
    )
  return { metadata, entries }
}

function dtypeOf(data: TensorData): Dtype {
  if (data instanceof Float32Array) return 'F32'
  return data instanceof Float64Array ? 'F64' : 'I32'
}

async function readTensor(
  handle: FileHandle,
  file: string,
  { name, dtype, shape, begin, end }: TensorEntry,
  dataStart: number,
): Promise<SafeTensor> {
  const bytes = new ArrayBuffer(end - begin)
  for (let at = 0; at < bytes.byteLength; at += CHUNK) {
    const part = new Uint8Array(bytes, at, Math.min(CHUNK, bytes.byteLength - at))
    await fill(handle, file, dataStart + begin + at, part)
  }
  return { name, shape, data: elementsOf(dtype, bytes) }
}

function elementsOf(dtype: Dtype, bytes: ArrayBuffer): TensorData {
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes)
    case 'F64':
      return new Float64Array(bytes)
    case 'I32':
      return new Int32Array(bytes)
    case 'F16':
      return Float32Array.from(new Uint16Array(bytes), float16)
    case 'BF16':
      // The upper half of a float32's bits.
      return new Float32Array(Uint32Array.from(new Uint16Array(bytes), half => half << 16).buffer)
  }
}

/** IEEE binary16 from its bits: sign, 5 bits of exponent, 10 of fraction. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = (bits & 0x3ff) / 1024
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15)
}

async function readExactly(
  handle: FileHandle,
  file: string,
  position: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  await fill(handle, file, position, bytes)
  return bytes
}

/** Fills `bytes` from `position` on; a read may return less than it was asked for. */
async function fill(
  handle: FileHandle,
  file: string,
  position: number,
  bytes: Uint8Array,
): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done)
    if (bytesRead === 0) throw damaged(file, `it ends at byte ${position + done}`)
    done += bytesRead
  }
}

/** A write may take less than it was given, too. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done)
    done += bytesWritten
  }
}
