import { allocateMatrix, type Matrix } from './matrix.js'

/** A matrix [rows, cols], row-major, of either precision. */
interface Factor {
  readonly rows: number
  readonly cols: number
  readonly data: Float32Array | Float64Array
}

/**
 * W F for W: [m, r] and F: [r, d], summed in float64 and rounded once: what is done to weights once and kept. On no
 * backend. 2·m·r·d flops, half of them where F is upper triangular.
 */
export function roundedProduct(w: Matrix, f: Factor): Matrix {
  const product = allocateMatrix(w.rows, f.cols)
  const starts = firstColumns(f)
  const sums = new Float64Array(f.cols)
  for (let r = 0; r < w.rows; r++) {
    addRowTimes(w.data.subarray(r * w.cols, (r + 1) * w.cols), f, starts, sums.fill(0))
    product.data.set(sums, r * f.cols)
  }
  return product
}

/** sums ← sums + wᵀ F: four rows of F at a time, which spares three of four passes over the sums. */
function addRowTimes(
  w: Float32Array,
  { rows, cols, data }: Factor,
  starts: Int32Array,
  sums: Float64Array,
): void {
  const whole = rows - (rows % 4)
  for (let k = 0; k < whole; k += 4) {
    const [w0, w1, w2, w3] = [w[k]!, w[k + 1]!, w[k + 2]!, w[k + 3]!]
    for (let j = starts[k]!, p = k * cols + j; j < cols; j++, p++)
      sums[j] =
        sums[j]! +
        w0 * data[p]! +
        w1 * data[p + cols]! +
        w2 * data[p + 2 * cols]! +
        w3 * data[p + 3 * cols]!
  }
  for (let k = whole; k < rows; k++)
    for (let j = starts[k]!; j < cols; j++) sums[j] = sums[j]! + w[k]! * data[k * cols + j]!
}

/** By row k: the first column in which any of the rows k and below has an entry. */
function firstColumns({ rows, cols, data }: Factor): Int32Array {
  const starts = new Int32Array(rows)
  let first = cols
  for (let k = rows - 1; k >= 0; k--) {
    for (let j = 0; j < first; j++) if (data[k * cols + j] !== 0) first = j
    starts[k] = first
  }
  return starts
}
