import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import type { Range } from '../replica/shards.js'
import type { NamedTensor } from './checkpoint.js'
import type { Manifest } from './manifest.js'
import { readSafetensors, type WantedRows } from './safetensors.js'

/**
 * The tensors of a checkpoint lie in one file, `displacement.safetensors`, or in one of each rank that wrote it,
 * `displacement-00001-of-00003.safetensors`: consecutive rows of every tensor, in the order of ranks.
 */

/** The file of rank `rank` of `size`. */
export function partName(stem: string, rank: number, size: number): string {
  if (size === 1) return `${stem}.safetensors`
  const five = (n: number) => String(n).padStart(5, '0')
  return `${stem}-${five(rank + 1)}-of-${five(size)}.safetensors`
}

/** The rows that rank `rank` of `size` writes, as views. */
export function partsOf(
  tensors: readonly NamedTensor[],
  rank: number,
  size: number,
): readonly NamedTensor[] {
  if (size === 1) return tensors
  return tensors.map(tensor => {
    const { name, shape, data } = tensor
    if (tensor.isPart === true) return tensor
    const [rows = 1, ...rest] = shape
    const length = data.length / rows
    const [start, stop] = [rank, rank + 1].map(r => Math.floor((rows * r) / size))
    return {
      name,
      shape: [stop! - start!, ...rest],
      data: data.subarray(start! * length, stop! * length),
    }
  })
}

/** Whether a tensor has a row for every neuron of a network with one hidden layer. */
export function isCutByNeurons(name: string): boolean {
  return /^(layers\.1[+-]?\.(initial|displacement)|frozen\.output)$/.test(name)
}

/**
 * The tensors of the manifest's files of this stem, put together.
 *
 * @param held rows of the whole tensors that are read of those that are cut by neurons; default: all
 * @throws SaddleError CHECKPOINT if a part is missing or damaged, or parts don't fit each other
 */
export async function readParts(
  folder: string,
  { files }: Manifest,
  stem: string,
  held?: Range,
): Promise<Map<string, NamedTensor>> {
  const pattern = new RegExp(`^${stem}(?:-(\\d+)-of-(\\d+))?\\.safetensors$`)
  const found = Object.keys(files)
    .filter(file => pattern.test(file))
    .sort()
  const size = Number(pattern.exec(found[0] ?? '')?.[2] ?? 1)
  const wanted = Array.from({ length: size }, (_, rank) => partName(stem, rank, size))
  const missing = wanted.find((file, rank) => found[rank] !== file)
  if (missing !== undefined)
    throw new SaddleError('CHECKPOINT', `${folder} has no ${missing}, which belongs to it.`, {
      file: join(folder, missing),
    })
  const parts: Map<string, NamedTensor>[] = []
  /** Rows of each tensor in the files before. */
  const before = new Map<string, number>()
  const wantedOf = (name: string, rows: number): Range => {
    const start = before.get(name) ?? 0
    before.set(name, start + rows)
    if (held === undefined || !isCutByNeurons(name)) return { start: 0, stop: rows }
    const within = (row: number) => Math.min(Math.max(row - start, 0), rows)
    return { start: within(held.start), stop: within(held.stop) }
  }
  for (const file of found) parts.push(await readFloats(join(folder, file), wantedOf))
  if (parts.length === 1) return parts[0]!
  return new Map([...parts[0]!.keys()].map(name => [name, joined(folder, name, parts)]))
}

function joined(folder: string, name: string, parts: readonly Map<string, NamedTensor>[]) {
  const pieces = parts.map(part => part.get(name))
  const rest = pieces[0]!.shape.slice(1)
  const fit = pieces.every(p => p !== undefined && String(p.shape.slice(1)) === String(rest))
  if (!fit)
    throw new SaddleError('CHECKPOINT', `${folder}: the parts of tensor "${name}" do not fit.`, {
      folder,
      name,
    })
  const data = new Float32Array(pieces.reduce((sum, p) => sum + p!.data.length, 0))
  let at = 0
  for (const piece of pieces) {
    data.set(piece!.data, at)
    at += piece!.data.length
  }
  const rows = pieces.reduce((sum, p) => sum + (p!.shape[0] ?? 1), 0)
  return { name, shape: [rows, ...rest], data }
}

async function readFloats(file: string, wanted: WantedRows): Promise<Map<string, NamedTensor>> {
  const { tensors } = await readSafetensors(file, wanted)
  return new Map(
    [...tensors].map(([name, { shape, data }]) => {
      if (data instanceof Float32Array) return [name, { name, shape, data }]
      throw new SaddleError('CHECKPOINT', `${file}: tensor "${name}" is not float32.`, {
        file,
        name,
      })
    }),
  )
}
