/** Bytes kept for reuse at most, and the largest array worth keeping. */
const CAPACITY = 64 << 20
const LARGEST = 16 << 20
/** Below this many bytes a fresh array is as cheap. */
const SMALLEST = 1 << 12

/** Arrays of freed tensors, by length. The oldest go first when there are too many. */
export interface Recycler {
  take(length: number): Float32Array | undefined
  give(array: Float32Array): void
}

export function recycler(): Recycler {
  /** Lengths in the order in which they were last given. */
  const byLength = new Map<number, Float32Array[]>()
  let bytes = 0
  const drop = () => {
    const [length, arrays] = byLength.entries().next().value!
    arrays.pop()
    bytes -= 4 * length
    if (arrays.length === 0) byLength.delete(length)
  }
  return {
    take(length) {
      const arrays = byLength.get(length)
      const array = arrays?.pop()
      if (array !== undefined) bytes -= array.byteLength
      if (arrays?.length === 0) byLength.delete(length)
      return array
    },
    give(array) {
      if (array.byteLength < SMALLEST || array.byteLength > LARGEST) return
      const arrays = byLength.get(array.length) ?? []
      byLength.delete(array.length)
      byLength.set(array.length, arrays)
      arrays.push(array)
      bytes += array.byteLength
      while (bytes > CAPACITY) drop()
    },
  }
}
