import { aligned, type MappedMemory, type MemoryAddress, view } from './mapped.js'

/**
 * Structures with arrays in them, and the same with the arrays in memory that other processes see. An array crosses as
 * its place there; numbers, texts and small things cross as they are.
 */
type SharedArray = Float32Array | Int32Array

/** An array's place in the memory. */
interface Place {
  readonly placed: 'Float32Array' | 'Int32Array'
  readonly offset: number
  readonly length: number
}

/** Where arrays begin in the memory they were moved to. */
const offsets = new WeakMap<ArrayBufferLike, number>()

/** Bytes of memory that `moveArrays` takes for these structures. */
export function bytesOfArrays(values: readonly object[]): number {
  const nameOf = naming()
  const bytes = new Map<string, number>()
  rebuilt(values, leaf => {
    if (isArray(leaf)) bytes.set(nameOf(leaf), aligned(leaf.byteLength))
    return leaf
  })
  return [...bytes.values()].reduce((a, b) => a + b, 0)
}

/**
 * Copies every array of `values` into `memory` and puts the copies in their places, in the same objects; an array that
 * occurs twice is copied once. The originals are free when nothing else holds them.
 */
export function moveArrays(values: readonly object[], memory: MappedMemory): void {
  const nameOf = naming()
  const moved = new Map<string, SharedArray>()
  const move = (leaf: unknown): unknown => {
    if (!isArray(leaf) || leaf.length === 0) return leaf
    const name = nameOf(leaf)
    const copy = moved.get(name) ?? copied(leaf, memory)
    moved.set(name, copy)
    return copy
  }
  for (const value of values) Object.assign(value, rebuilt(value, move))
}

function copied(array: SharedArray, memory: MappedMemory): SharedArray {
  const { buffer, offset } = memory.take(array.byteLength)
  offsets.set(buffer, offset)
  const copy = array instanceof Int32Array ? new Int32Array(buffer) : new Float32Array(buffer)
  copy.set(array)
  return copy
}

/** The structure with places instead of those arrays that were moved: what is posted. */
export function describeArrays<T extends object>(value: T): T {
  return rebuilt(value, leaf => {
    const offset = isArray(leaf) ? offsets.get(leaf.buffer) : undefined
    if (offset === undefined) return leaf
    const { byteOffset, length } = leaf as SharedArray
    const placed = leaf instanceof Int32Array ? 'Int32Array' : 'Float32Array'
    return { placed, offset: offset + byteOffset, length } satisfies Place
  })
}

/** The inverse of `describeArrays`, in another thread or process that has the memory mapped. */
export function findArrays<T extends object>(value: T, memory: MemoryAddress): T {
  return rebuilt(value, leaf => {
    if (!isPlace(leaf)) return leaf
    const { placed, offset, length } = leaf
    const buffer = view(memory, offset, 4 * length)
    return placed === 'Int32Array' ? new Int32Array(buffer) : new Float32Array(buffer)
  })
}

/** The structure again, with every leaf (an array, a place, a plain value) as `change` gives it back. */
function rebuilt<T>(value: T, change: (leaf: unknown) => unknown): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || isPlace(value))
    return change(value) as T
  if (Array.isArray(value)) return value.map(item => rebuilt(item as unknown, change)) as T
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, rebuilt(item as unknown, change)]),
  ) as T
}

function isArray(value: unknown): value is SharedArray {
  return value instanceof Float32Array || value instanceof Int32Array
}

function isPlace(value: unknown): value is Place {
  return typeof value === 'object' && value !== null && 'placed' in value
}

/** Names arrays by what they show: two arrays of one name are the same numbers in the same place. */
function naming(): (array: SharedArray) => string {
  const buffers = new Map<ArrayBufferLike, number>()
  return ({ buffer, byteOffset, length }) => {
    const number = buffers.get(buffer) ?? buffers.size
    buffers.set(buffer, number)
    return `${number}:${byteOffset}:${length}`
  }
}
