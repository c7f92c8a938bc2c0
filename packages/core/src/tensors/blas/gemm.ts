import { SaddleError } from '../../errors.js'
import type { Operand, ProductShape, Target } from '../algebra.js'
import type { Sgemm } from './library.js'

const ROW_MAJOR = 101
const AS_IT_IS = 111
const TRANSPOSED = 112

/**
 * C ← op(A) op(B), or C ← C + op(A) op(B) where `add`: row-major, 2·m·n·k flops; C must not overlap A or B. Arrays may
 * lie over a SharedArrayBuffer and begin anywhere in it: the library reads and writes them in place.
 *
 * @throws SaddleError SHAPE before anything is read if an array is not as long as its shape (and stride) ask for: native
 * code would read past its end.
 */
export function gemm(
  sgemm: Sgemm,
  { m, n, k }: ProductShape,
  a: Operand,
  b: Operand,
  c: Float32Array,
  { add = false, stride = n }: Target = {},
): void {
  const lda = a.stride ?? (a.transposed ? m : k)
  const ldb = b.stride ?? (b.transposed ? k : n)
  requireLength('left operand', a.data, a.transposed ? [k, m] : [m, k], lda)
  requireLength('right operand', b.data, b.transposed ? [n, k] : [k, n], ldb)
  requireLength('result', c, [m, n], stride)
  if (m === 0 || n === 0) return
  if (k === 0) {
    if (!add) for (let r = 0; r < m; r++) c.fill(0, r * stride, r * stride + n)
    return
  }
  const [opA, opB] = [a, b].map(({ transposed }) => (transposed ? TRANSPOSED : AS_IT_IS))
  sgemm(ROW_MAJOR, opA!, opB!, m, n, k, 1, a.data, lda, b.data, ldb, add ? 1 : 0, c, stride)
}

/** Rows and columns as they lie in memory. Without gaps between rows the length must be the shape's own. */
function requireLength(
  what: string,
  data: Float32Array,
  [rows, cols]: readonly [number, number],
  stride: number,
): void {
  const least = rows === 0 ? 0 : (rows - 1) * stride + cols
  const fits = stride === cols ? data.length === least : stride > cols && data.length >= least
  if (data instanceof Float32Array && fits) return
  throw new SaddleError(
    'SHAPE',
    `The ${what} of a product: expected ${rows} × ${cols}${stride === cols ? '' : ` (${stride} from row to row)`} = ` +
      `${least} float32 numbers, got ${data.constructor.name} of ${data.length}. Pass arrays of the shape's own length.`,
    { rows, cols, stride, length: data.length },
  )
}
