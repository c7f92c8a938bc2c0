import * as tf from '@tensorflow/tfjs-core'
import { areFloats, type BlasKernel, type KernelCall, sizeOf } from './kernel.js'
import { type Access, loopOf } from './loops.js'

/** Kernels of two tensors, elementwise with broadcasting. Numbers to numbers: */
const ARITHMETIC = {
  [tf.Add]: 'x + y',
  [tf.Sub]: 'x - y',
  [tf.Multiply]: 'x * y',
  [tf.RealDiv]: 'x / y',
  [tf.Maximum]: 'Math.max(x, y)',
  [tf.Minimum]: 'Math.min(x, y)',
}

/** Numbers to flags: */
const COMPARISONS = {
  [tf.Greater]: 'x > y ? 1 : 0',
  [tf.GreaterEqual]: 'x >= y ? 1 : 0',
  [tf.Less]: 'x < y ? 1 : 0',
  [tf.LessEqual]: 'x <= y ? 1 : 0',
  [tf.Equal]: 'x === y ? 1 : 0',
  [tf.NotEqual]: 'x !== y ? 1 : 0',
}

export const binaryKernels: readonly BlasKernel[] = [
  ...Object.entries(ARITHMETIC).map(
    ([name, expression]): BlasKernel => ({
      name,
      compute: call => elementwise(call, expression, 'float32'),
    }),
  ),
  ...Object.entries(COMPARISONS).map(
    ([name, expression]): BlasKernel => ({
      name,
      compute: call => elementwise(call, expression, 'bool'),
    }),
  ),
]

function elementwise(
  { inputs, storage }: KernelCall,
  expression: string,
  dtype: 'float32' | 'bool',
): tf.TensorInfo | null {
  const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo }
  if (!areFloats(a, b)) return null
  const layout = layoutOf(a.shape, b.shape)
  if (layout === null) return null
  const { shape, rows, cols, left, right } = layout
  const loop = loopOf(expression, left, right)
  const [x, y] = [storage.floats(a), storage.floats(b)]
  if (dtype === 'bool') {
    const flags = new Uint8Array(rows * cols)
    loop(x, y, flags, rows, cols)
    return { dataId: storage.write(flags, shape, 'bool'), shape, dtype }
  }
  const out = storage.allocate(rows * cols)
  loop(x, y, out, rows, cols)
  return storage.output(shape, out)
}

/** A result as a matrix, and how each operand lies along it. */
interface Layout {
  readonly shape: number[]
  readonly rows: number
  readonly cols: number
  readonly left: Access
  readonly right: Access
}

/**
 * The matrix [rows, cols] on which each operand is a matrix, a column or a row; null where there is none, as in
 * [2, 1, 3] + [1, 4, 1] (which the CPU backend computes), and where shapes don't fit (which it complains about).
 */
function layoutOf(a: readonly number[], b: readonly number[]): Layout | null {
  const [sizeA, sizeB] = [sizeOf(a), sizeOf(b)]
  if (a.length === b.length && a.every((length, d) => length === b[d]))
    return { shape: [...a], rows: 1, cols: sizeA, left: 'full', right: 'full' }
  if (sizeA === 0 || sizeB === 0) return null
  const shape = broadcastShape(a, b)
  if (shape === null) return null
  const size = sizeOf(shape)
  for (const split of splits(shape)) {
    const rows = sizeOf(shape.slice(0, split))
    const cols = size / rows
    const left = accessOf(a, shape, split)
    const right = accessOf(b, shape, split)
    if (left !== null && right !== null) return { shape, rows, cols, left, right }
  }
  return null
}

/** Where to cut a shape into rows and columns: the whole as one row first. */
function splits(shape: readonly number[]): number[] {
  return Array.from({ length: shape.length + 1 }, (_, split) => split)
}

function broadcastShape(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length)
  const shape: number[] = []
  for (let d = 0; d < rank; d++) {
    const p = a[d - rank + a.length] ?? 1
    const q = b[d - rank + b.length] ?? 1
    if (p !== q && p !== 1 && q !== 1) return null
    shape.push(p === 1 ? q : p)
  }
  return shape
}

/** How `own` lies along `shape` cut before dimension `split`. */
function accessOf(own: readonly number[], shape: readonly number[], split: number): Access | null {
  const full = [...Array<number>(shape.length - own.length).fill(1), ...own]
  const equals = (from: number, to: number) =>
    full.slice(from, to).every((length, d) => length === shape[from + d])
  const ones = (from: number, to: number) => full.slice(from, to).every(length => length === 1)
  if (equals(0, shape.length)) return 'full'
  if (equals(0, split) && ones(split, shape.length)) return 'column'
  if (ones(0, split) && equals(split, shape.length)) return 'row'
  return null
}
