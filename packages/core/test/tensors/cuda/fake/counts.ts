import { join } from 'node:path'
import koffi from 'koffi'
import type { FakeCuda } from './build.js'

/** What was asked of the fake libraries, by all threads of this process. */
export type Counts = Record<(typeof NAMES)[number], number>

const NAMES = [
  'launches',
  'float32',
  'tf32',
  'bf16',
  'uploads',
  'uploadedBytes',
  'downloads',
  'downloadedBytes',
  'waits',
] as const

/** Reads the counters: launches, products by precision, copies and their bytes, and waits for the stream. */
export function counterOf({ folder }: FakeCuda): () => Counts {
  const library = koffi.load(join(folder, 'libcuda.so.1'))
  const read = library.func('void fakeCounts(uint64_t *)')
  const values = new BigUint64Array(NAMES.length)
  return () => {
    read(values)
    return Object.fromEntries(NAMES.map((name, i) => [name, Number(values[i])])) as Counts
  }
}

/** What `work` asked for. */
export async function countsOf(read: () => Counts, work: () => unknown): Promise<Counts> {
  const before = read()
  await work()
  const after = read()
  return Object.fromEntries(NAMES.map(name => [name, after[name] - before[name]])) as Counts
}
