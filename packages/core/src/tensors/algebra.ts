/**
 * Products and sums on arrays in place, row-major float32, for loops that tensors would be in the way of. Arrays may
 * lie over a SharedArrayBuffer and begin anywhere in it. One thread computes: the same call gives the same bits.
 */
export interface ArrayAlgebra {
  /**
   * C ← op(A) op(B), or C ← C + op(A) op(B) where `add`; 2·m·n·k flops. C must not overlap A or B.
   *
   * @throws SaddleError SHAPE, before anything is read, if an array is not as long as its shape and stride ask for.
   */
  product(shape: ProductShape, a: Operand, b: Operand, c: Float32Array, into?: Target): void
  /** y ← y + α x, for x and y of one length: 2·length flops. */
  axpy(alpha: number, x: Float32Array, y: Float32Array): void
}

/** An operand as it lies in memory: row-major, and whether the product takes its transpose. */
export interface Operand {
  readonly data: Float32Array
  readonly transposed: boolean
  /** Numbers from one row in memory to the next; by default the length of a row. */
  readonly stride?: number
}

export interface Target {
  /** True to add to what is there. Default false. */
  readonly add?: boolean
  /** As of an operand. */
  readonly stride?: number
}

/** op(A): m × k, op(B): k × n, C: m × n. */
export interface ProductShape {
  readonly m: number
  readonly n: number
  readonly k: number
}
