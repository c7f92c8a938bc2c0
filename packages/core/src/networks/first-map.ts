import type { ArrayAlgebra } from '../tensors/algebra.js'
import type { Matrix } from '../tensors/matrix.js'

/** Parts into which an upper triangular matrix is cut, to leave out three eighths of it. */
const PARTS = 4

/** X Aᵀ, [n, rows of A], for X: [n, cols of A]. Of an upper triangular A each part of rows begins at the diagonal. */
export function timesTransposed(
  algebra: ArrayAlgebra,
  a: Matrix,
  x: Float32Array,
  out: Float32Array,
): void {
  const { rows, cols, data } = a
  const n = x.length / cols
  for (const { start, stop } of partsOf(a, rows)) {
    const first = a.upper === true ? start : 0
    const shape = { m: n, n: stop - start, k: cols - first }
    const part = data.subarray(start * cols + first, stop * cols)
    algebra.product(
      shape,
      { data: x.subarray(first), transposed: false, stride: cols },
      { data: part, transposed: true, stride: cols },
      out.subarray(start),
      { stride: rows },
    )
  }
}

/** G A, [n, cols of A], for G: [n, rows of A]. Of an upper triangular A each part of columns ends at the diagonal. */
export function times(algebra: ArrayAlgebra, a: Matrix, g: Float32Array, out: Float32Array): void {
  const { rows, cols, data } = a
  const n = g.length / rows
  for (const { start, stop } of partsOf(a, cols)) {
    const last = a.upper === true ? Math.min(rows, stop) : rows
    const shape = { m: n, n: stop - start, k: last }
    algebra.product(
      shape,
      { data: g, transposed: false, stride: rows },
      { data: data.subarray(start, last * cols), transposed: false, stride: cols },
      out.subarray(start),
      { stride: cols },
    )
  }
}

function partsOf({ upper }: Matrix, length: number) {
  const step = upper === true ? Math.ceil(length / PARTS / 16) * 16 : length
  return Array.from({ length: Math.ceil(length / step) }, (_, i) => ({
    start: i * step,
    stop: Math.min(length, (i + 1) * step),
  }))
}
