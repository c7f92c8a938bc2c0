import * as tf from '@tensorflow/tfjs-core'
import { assertShape } from '../errors.js'
import { currentBackend } from './backends.js'
import { matricesChanged, residentTensor } from './resident.js'

/**
 * A rows × cols float32 matrix, row-major, in shared memory: the form in which weights are held once for all
 * workers of a machine. A backend reads it block of rows by block of rows.
 */
export interface Matrix {
  readonly rows: number
  readonly cols: number
  readonly data: Float32Array<SharedArrayBuffer>
  /** True if all below the diagonal is 0, which a product may then leave out. */
  readonly upper?: boolean
}

/** A zero matrix in shared memory: 4 · rows · cols bytes, visible to every thread it is posted to. */
export function allocateMatrix(rows: number, cols: number): Matrix {
  return { rows, cols, data: new Float32Array(new SharedArrayBuffer(4 * rows * cols)) }
}

/** Floats in one block (2 MiB): large enough to amortise a product's set-up, small enough to stay in cache. */
const BLOCK_FLOATS = 1 << 19

/**
 * Rows of a block for a matrix with `cols` columns: a function of the shape alone, never of the worker count,
 * because the order of sums over blocks decides the last bits of a result.
 */
export function blockRows(rows: number, cols: number): number {
  const fit = Math.max(8, Math.floor(BLOCK_FLOATS / cols / 8) * 8)
  return Math.min(rows, fit)
}

/** Rows start..stop−1 of a matrix. */
export interface RowRange {
  readonly start: number
  readonly stop: number
}

/** Rows start..stop of a matrix, sharing its memory. */
export function rowsOf({ cols, data }: Matrix, start: number, stop: number): Matrix {
  return { rows: stop - start, cols, data: data.subarray(start * cols, stop * cols) }
}

/** The row ranges of those blocks, in order: what an update, or a backend with a memory of its own, takes. */
export function rowBlocks(rows: number, cols: number): RowRange[] {
  return rangesOf(rows, blockRows(rows, cols))
}

function rangesOf(rows: number, step: number): RowRange[] {
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({
    start: i * step,
    stop: Math.min(rows, (i + 1) * step),
  }))
}

/** Rows of a block read in place: fewer cost a sum [n, cols] too often, more make [rows, n] leave the cache. */
const IN_PLACE = { least: 512, most: 4096 }

/** Equal blocks, nothing of which is copied: what is made of a block decides its height, not its bytes. */
export function blocksInPlace(rows: number, cols: number): RowRange[] {
  const fit = Math.min(Math.max(blockRows(rows, cols), IN_PLACE.least), IN_PLACE.most)
  const step = Math.ceil(rows / Math.ceil(rows / fit) / 8) * 8
  return rangesOf(rows, step)
}

/** Rows of a block of a matrix that a device holds: what is made of them, [rows, n], takes 4 n rows bytes there. */
const ON_DEVICE = 1 << 16

/** Rows visited at a time where what is made of them need not exist for all: a function of the shape, and the backend. */
function visitRanges({ rows, cols }: Matrix): RowRange[] {
  const { sharesMemory, keepsMatrices } = currentBackend()
  if (keepsMatrices === true) return rangesOf(rows, ON_DEVICE)
  return sharesMemory ? blocksInPlace(rows, cols) : rowBlocks(rows, cols)
}

/**
 * Shows the backend the matrix, rows start..stop at a time, as tensors [stop - start, cols]: what is computed from a
 * block then need not exist for the whole matrix. A backend that shares memory reads in place, one that keeps matrices
 * sees parts of its copy; any other gets a copy of one block. `visit` must not keep the block.
 */
export function eachRowBlock(
  matrix: Matrix,
  visit: (block: tf.Tensor2D, start: number, stop: number) => void,
): void {
  visitRows(matrix, visitRanges(matrix), visit)
}

/**
 * `eachRowBlock` over several matrices of one shape in step: `visit` sees the same rows of each. One block of each
 * matrix is held at a time.
 */
export function eachRowBlockTogether(
  matrices: readonly Matrix[],
  visit: (blocks: readonly tf.Tensor2D[], start: number, stop: number) => void,
): void {
  for (const { start, stop } of visitRanges(matrices[0]!)) {
    const blocks = matrices.map(matrix => rowsTensor(matrix, start, stop))
    try {
      visit(blocks, start, stop)
    } finally {
      tf.dispose(blocks)
    }
  }
}

function visitRows(
  matrix: Matrix,
  ranges: readonly RowRange[],
  visit: (block: tf.Tensor2D, start: number, stop: number) => void,
): void {
  for (const { start, stop } of ranges) {
    const block = rowsTensor(matrix, start, stop)
    try {
      visit(block, start, stop)
    } finally {
      block.dispose()
    }
  }
}

/** Rows start..stop as a tensor that the caller disposes of: a part of the device's copy where there is one. */
export function rowsTensor(matrix: Matrix, start: number, stop: number): tf.Tensor2D {
  const { cols, data } = matrix
  if (currentBackend().keepsMatrices === true)
    return tf.slice2d(residentTensor(matrix), [start, 0], [stop - start, cols])
  return tf.tensor2d(data.subarray(start * cols, stop * cols), [stop - start, cols])
}

/** Rows of one product: all of them where that copies nothing, else a block. */
function productRanges({ rows, cols }: Matrix) {
  const { sharesMemory, keepsMatrices } = currentBackend()
  if (sharesMemory || keepsMatrices === true) return [{ start: 0, stop: rows }]
  return rowBlocks(rows, cols)
}

/** W X for X: [cols, n]; returns [rows, n]. Both operands untransposed: 2·rows·cols·n flops. Call inside tf.tidy. */
export function timesMatrix(w: Matrix, x: tf.Tensor2D): tf.Tensor2D {
  assertShape('right operand of W X', x.shape, [w.cols, -1])
  return tf.tidy(() => {
    const blocks: tf.Tensor2D[] = []
    visitRows(w, productRanges(w), block => blocks.push(tf.matMul(block, x)))
    return blocks.length === 1 ? blocks[0]! : tf.concat2d(blocks, 0)
  })
}

/** P W for P: [n, rows]; returns [n, cols], summed over blocks in row order. Call inside tf.tidy. */
export function matrixTimes(p: tf.Tensor2D, w: Matrix): tf.Tensor2D {
  assertShape('left operand of P W', p.shape, [-1, w.rows])
  const n = p.shape[0]
  let sum: tf.Tensor2D | undefined
  visitRows(w, productRanges(w), (block, start, stop) => {
    const product: tf.Tensor2D = tf.tidy(() => {
      const columns = stop - start === w.rows ? p : tf.slice2d(p, [0, start], [n, stop - start])
      return tf.matMul(columns, block)
    })
    sum = addTo(sum, product)
  })
  return sum!
}

/** Xᵀ Y for X: [k, m], Y: [k, n]; returns [m, n]. X is copied only where the backend's products need it. */
export function transposedTimes(x: tf.Tensor2D, y: tf.Tensor2D): tf.Tensor2D {
  if (currentBackend().takesTransposed === true) return tf.matMul(x, y, true)
  return tf.tidy(() => tf.matMul(tf.transpose(x), y))
}

/** sum + part, or `part` where there is no sum yet. Frees both operands: a sum over blocks holds one tensor. */
export function addTo(sum: tf.Tensor2D | undefined, part: tf.Tensor2D): tf.Tensor2D {
  if (sum === undefined) return part
  const next: tf.Tensor2D = tf.add(sum, part)
  tf.dispose([sum, part])
  return next
}

/** Copies a tensor [rows, cols] into the matrix. */
export function writeMatrix(matrix: Matrix, tensor: tf.Tensor2D): void {
  assertShape('tensor to store', tensor.shape, [matrix.rows, matrix.cols])
  matrix.data.set(tensor.dataSync<'float32'>())
  matricesChanged()
}
