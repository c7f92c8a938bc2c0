import * as tf from '@tensorflow/tfjs-core'
import { areFloats, type BlasKernel, type KernelCall, sizeOf } from './kernel.js'

/** Kernels that move numbers: transposition of matrices, slices of columns, concatenation, choice, and casts. */
export const layoutKernels: readonly BlasKernel[] = [
  { name: tf.Transpose, compute: transpose },
  { name: tf.Slice, compute: slice },
  { name: tf.Concat, compute: concat },
  { name: tf.Select, compute: select },
  { name: tf.Cast, compute: cast },
]

/** Rows and columns of a tile: its 16 lines of reads and 16 of writes stay in the first cache. */
const TILE = 16

function transpose({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  const perm = attrs.perm as number[]
  if (!areFloats(x) || x.shape.length !== 2 || perm[0] !== 1) return null
  const [rows, cols] = x.shape as [number, number]
  const values = storage.floats(x)
  const out = storage.allocate(values.length)
  if (rows === 1 || cols === 1) out.set(values)
  else
    for (let top = 0; top < rows; top += TILE)
      for (let left = 0; left < cols; left += TILE)
        transposeTile(values, out, rows, cols, top, left)
  return storage.output([cols, rows], out)
}

function transposeTile(
  values: Float32Array,
  out: Float32Array,
  rows: number,
  cols: number,
  top: number,
  left: number,
): void {
  const bottom = Math.min(rows, top + TILE)
  const right = Math.min(cols, left + TILE)
  for (let r = top; r < bottom; r++) {
    let to = left * rows + r
    for (let from = r * cols + left; from < r * cols + right; from++, to += rows)
      out[to] = values[from]!
  }
}

/** A block of columns of a matrix. Whole rows are a view, which the CPU backend makes. */
function slice({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  if (!areFloats(x) || x.shape.length !== 2) return null
  const [begin, size] = tf.slice_util.parseSliceParams(
    x,
    attrs.begin as number[],
    attrs.size as number[],
  ) as [number[], number[]]
  tf.slice_util.assertParamsValid(x, begin, size)
  if (tf.slice_util.isSliceContinous(x.shape, begin, size)) return null
  const [rows, cols] = size as [number, number]
  const values = storage.floats(x)
  const out = storage.allocate(rows * cols)
  for (let r = 0; r < rows; r++) {
    const from = (begin[0]! + r) * x.shape[1]! + begin[1]!
    out.set(values.subarray(from, from + cols), r * cols)
  }
  return storage.output(size, out)
}

/** Along any axis: runs of whole trailing dimensions are copied one after the other. */
function concat({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const tensors = Object.values(inputs)
  if (tensors.length === 0 || !areFloats(...tensors)) return null
  const [first] = tensors as [tf.TensorInfo]
  const [axis] = tf.util.parseAxisParam(attrs.axis as number, first.shape) as [number]
  const shapes = tensors.map(({ shape }) => shape)
  tf.backend_util.assertParamsConsistent(shapes, axis)
  const shape = tf.backend_util.computeOutShape(shapes, axis)
  const out = storage.allocate(sizeOf(shape))
  const runs = sizeOf(shape.slice(0, axis))
  const stride = out.length / runs
  let offset = 0
  for (const tensor of tensors) {
    const values = storage.floats(tensor)
    const run = values.length / runs
    for (let r = 0; r < runs; r++)
      out.set(values.subarray(r * run, (r + 1) * run), r * stride + offset)
    offset += run
  }
  return storage.output(shape, out)
}

/** t where the condition holds, else e, all of one shape. */
function select({ inputs, storage }: KernelCall): tf.TensorInfo | null {
  const { condition, t, e } = inputs as Record<'condition' | 't' | 'e', tf.TensorInfo>
  const flags = storage.data.get(condition.dataId).values
  const size = sizeOf(condition.shape)
  if (!areFloats(t, e) || size !== sizeOf(t.shape) || !(flags instanceof Uint8Array)) return null
  const [yes, no] = [storage.floats(t), storage.floats(e)]
  const out = storage.allocate(size)
  for (let i = 0; i < size; i++) out[i] = flags[i] === 1 ? yes[i]! : no[i]!
  return storage.output(t.shape, out)
}

/** To float32, converted at once: the CPU backend would keep the integers and convert in every later kernel. */
function cast({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  if (attrs.dtype !== 'float32') return null
  if (x.dtype === 'float32') {
    storage.incRef(x.dataId)
    return { dataId: x.dataId, shape: x.shape, dtype: 'float32' }
  }
  if (x.dtype !== 'bool' && x.dtype !== 'int32') return null
  const values = storage.data.get(x.dataId).values as Int32Array | Uint8Array
  const out = storage.allocate(values.length)
  out.set(values)
  return storage.output(x.shape, out)
}
