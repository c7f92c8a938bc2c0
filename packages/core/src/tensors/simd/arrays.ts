import { type Loops, MOST_PAGES, moduleBytes } from './module.js'

/** What Node has of WebAssembly, as far as it is used here: its types come with a browser's only. */
interface SharedPages {
  readonly buffer: SharedArrayBuffer
  grow(pages: number): number
}
declare const WebAssembly: {
  readonly Memory: new (limits: {
    initial: number
    maximum: number
    shared: boolean
  }) => SharedPages
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: { env: { memory: SharedPages } },
  ) => { readonly exports: unknown }
}

/**
 * Arrays in the memory of the loops of module.ts. They are borrowed for the time of a call, on top of those that are lent
 * already, and hold anything at first. The memory is shared so that growing leaves arrays on loan where they are.
 */
interface Bench {
  readonly memory: SharedPages
  readonly loops: Loops
}

/** Bytes on loan; one for a thread. */
let lent = 0
let bench: Bench | null | undefined
/** The memory's buffers: before and after it grew they are different objects over the same bytes. */
const ours = new WeakSet<ArrayBufferLike>()

const PAGE = 1 << 16
/** Of arrays: a cache line. */
const ALIGNMENT = 64

/** The loops of this thread; null where no memory could be had for them. */
export function simdLoops(): Loops | null {
  if (bench === undefined) bench = open()
  return bench?.loops ?? null
}

function open(): Bench | null {
  try {
    const memory = new WebAssembly.Memory({ initial: 0, maximum: MOST_PAGES, shared: true })
    const module = new WebAssembly.Module(moduleBytes())
    const { exports } = new WebAssembly.Instance(module, { env: { memory } })
    return { memory, loops: exports as Loops }
  } catch {
    // A limit on address space (ulimit -v) refuses what a memory reserves: JavaScript's loops then do.
    return null
  }
}

/**
 * Calls `work` with arrays of these lengths, for the loops; with arrays of JavaScript's own where they don't fit. They are
 * taken back when it returns or throws, so it must not keep them.
 */
export function withSimdArrays<T>(
  lengths: readonly number[],
  work: (...arrays: Float32Array[]) => T,
): T {
  const before = lent
  const places = lengths.map(length => {
    const place = lent
    lent += Math.ceil((4 * length) / ALIGNMENT) * ALIGNMENT
    return place
  })
  try {
    const buffer = simdLoops() === null ? null : roomFor(bench!.memory, lent)
    return work(
      ...lengths.map((length, k) =>
        buffer === null ? new Float32Array(length) : new Float32Array(buffer, places[k], length),
      ),
    )
  } finally {
    lent = before
  }
}

function roomFor(memory: SharedPages, bytes: number): SharedArrayBuffer | null {
  const missing = bytes - memory.buffer.byteLength
  try {
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE))
    ours.add(memory.buffer)
    return memory.buffer
  } catch {
    return null
  }
}

/** The loops, if they reach all of these arrays: address them by `byteOffset`. */
export function loopsOver(...arrays: Float32Array[]): Loops | null {
  return arrays.every(({ buffer }) => ours.has(buffer)) ? bench!.loops : null
}

/** Numbers of an array of this length that the loops take: four at a time. The others are the caller's. */
export function inFours(length: number): number {
  return length - (length % 4)
}
