/** Dimensions of a strided walk at most, after those that lie one behind the other are taken as one. */
export const MAX_RANK = 8

/** What a kernel is given: integers, addresses and doubles have 64 bits, floats 32. */
export type Argument =
  | { readonly kind: 'address' | 'integer' | 'float' | 'double'; readonly value: number }
  | Dims

/** `struct Dims` of the kernels: lengths of a walk in row-major order, and two strides for each. */
export interface Dims {
  readonly kind: 'dims'
  readonly lengths: readonly number[]
  readonly a: readonly number[]
  readonly b: readonly number[]
}

export function address(value: number): Argument {
  return { kind: 'address', value }
}

export function integer(value: number): Argument {
  return { kind: 'integer', value }
}

export function float(value: number): Argument {
  return { kind: 'float', value }
}

export function double(value: number): Argument {
  return { kind: 'double', value }
}

/**
 * The walk over `lengths` with the fewest dimensions: those of length 1 left out, neighbours joined where both strides
 * allow. Null where more than eight are left, or where there is more than the 32 bits of a place can count.
 */
export function walk(
  lengths: readonly number[],
  a: readonly number[],
  b: readonly number[],
): Dims | null {
  const joined = {
    kind: 'dims' as const,
    lengths: [] as number[],
    a: [] as number[],
    b: [] as number[],
  }
  lengths.forEach((length, d) => {
    if (length === 1) return
    const last = joined.lengths.length - 1
    const joins =
      last >= 0 && joined.a[last] === a[d]! * length && joined.b[last] === b[d]! * length
    if (joins) {
      joined.lengths[last]! *= length
      joined.a[last] = a[d]!
      joined.b[last] = b[d]!
      return
    }
    joined.lengths.push(length)
    joined.a.push(a[d]!)
    joined.b.push(b[d]!)
  })
  const size = lengths.reduce((product, length) => product * length, 1)
  const isTooLong = joined.lengths.length > 1 && size >= 2 ** 32
  return joined.lengths.length > MAX_RANK || isTooLong ? null : joined
}

/** Row-major strides of a shape. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = stride
    stride *= shape[d]!
  }
  return strides
}

/** Strides of a tensor of shape `own` along the shape that it is broadcast to: 0 where it is repeated. */
export function broadcastStrides(own: readonly number[], shape: readonly number[]): number[] {
  const strides = stridesOf(own)
  const missing = shape.length - own.length
  return shape.map((_, d) => (d < missing || own[d - missing] === 1 ? 0 : strides[d - missing]!))
}
