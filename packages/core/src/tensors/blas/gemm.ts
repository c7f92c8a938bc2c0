import { SaddleError } from '../../errors.js'
import type { Operand, ProductShape } from '../algebra.js'
import type { Sgemm } from './library.js'

const ROW_MAJOR = 101
const AS_IT_IS = 111
const TRANSPOSED = 112

/**
 * C ← op(A) op(B), or C ← C + op(A) op(B) where `add`: row-major, 2·m·n·k flops; C must not overlap A or B. Arrays may lie over a SharedArrayBuffer and
 * begin anywhere in it: the library reads and writes them in place.
 *
 * @throws SaddleError SHAPE before anything is read if an array has another length than its shape asks for: native
 * code would read past its end.
 */
export function gemm(
  sgemm: Sgemm,
  { m, n, k }: ProductShape,
  a: Operand,
  b: Operand,
  c: Float32Array,
  add = false,
): void {
  requireLength('left operand', a.data, m, k)
  requireLength('right operand', b.data, k, n)
  requireLength('result', c, m, n)
  if (m === 0 || n === 0) return
  if (k === 0) {
    if (!add) c.fill(0)
    return
  }
  sgemm(
    ROW_MAJOR,
    a.transposed ? TRANSPOSED : AS_IT_IS,
    b.transposed ? TRANSPOSED : AS_IT_IS,
    m,
    n,
    k,
    1,
    a.data,
    a.transposed ? m : k,
    b.data,
    b.transposed ? k : n,
    add ? 1 : 0,
    c,
    n,
  )
}

function requireLength(what: string, data: Float32Array, rows: number, cols: number): void {
  if (data instanceof Float32Array && data.length === rows * cols) return
  throw new SaddleError(
    'SHAPE',
    `The ${what} of a product: expected ${rows} × ${cols} = ${rows * cols} float32 numbers, got ` +
      `${data.constructor.name} of ${data.length}. Pass arrays of the shape's own length.`,
    { rows, cols, length: data.length },
  )
}
