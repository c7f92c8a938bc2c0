import * as tf from '@tensorflow/tfjs-core'
import { address, integer, stridesOf, walk } from '../arguments.js'
import { programOf } from '../program.js'
import { bytesPerElement, type CudaStorage, isDeviceType } from '../storage.js'
import { type CudaKernel, type KernelCall, sizeOf } from './kernel.js'

/** to[startTo + Σ i_d b_d] ← from[startFrom + Σ i_d a_d] for every place i of a walk. */
const LAYOUT = programOf(
  'layout',
  ['u32', 'u8'].map(
    type => `
extern "C" __global__ void copy_${type === 'u32' ? 4 : 1}(i64 n, const ${type} *from, i64 startFrom, ${type} *to, i64 startTo, Dims dims) {
  EACH(i, n) {
    i64 p, q;
    places(dims, i, p, q);
    to[startTo + q] = from[startFrom + p];
  }
}`,
  ),
)

/** One end of a copy: a tensor, its first element, and how far the next one in each dimension lies. */
interface End {
  readonly tensor: tf.TensorInfo
  readonly start: number
  readonly strides: readonly number[]
}

/** Copies a box of these lengths; false where it has more than eight dimensions. */
function copy(storage: CudaStorage, lengths: readonly number[], from: End, to: End): boolean {
  const dims = walk(lengths, from.strides, to.strides)
  if (dims === null || !isDeviceType(to.tensor.dtype)) return false
  const kernel = `copy_${bytesPerElement(to.tensor.dtype)}`
  storage.runtime.launch(LAYOUT, kernel, sizeOf(lengths), [
    address(storage.deviceAddress(from.tensor)),
    integer(from.start),
    address(storage.deviceAddress(to.tensor)),
    integer(to.start),
    dims,
  ])
  return true
}

/** A new tensor [lengths] read from x with these strides. */
function gathered(
  storage: CudaStorage,
  x: tf.TensorInfo,
  lengths: readonly number[],
  start: number,
  strides: readonly number[],
): tf.TensorInfo | null {
  if (!isDeviceType(x.dtype)) return null
  const out = storage.output(lengths, x.dtype)
  const to = { tensor: out, start: 0, strides: stridesOf(lengths) }
  if (copy(storage, lengths, { tensor: x, start, strides }, to)) return out
  storage.disposeIntermediateTensorInfo(out)
  return null
}

export const layoutKernels: readonly CudaKernel[] = [
  { name: tf.Transpose, compute: transpose },
  { name: tf.Slice, compute: slice },
  { name: tf.Concat, compute: concat },
  { name: tf.Tile, compute: tile },
  { name: tf.Reverse, compute: reverse },
]

function transpose({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  const order = attrs.perm as number[]
  return transposed(storage, x, order)
}

/** The tensor whose dimension d is dimension order[d] of x. */
export function transposed(
  storage: CudaStorage,
  x: tf.TensorInfo,
  order: readonly number[],
): tf.TensorInfo | null {
  const strides = stridesOf(x.shape)
  return gathered(
    storage,
    x,
    order.map(d => x.shape[d]!),
    0,
    order.map(d => strides[d]!),
  )
}

/** Whole rows are a view. */
function slice({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  if (!isDeviceType(x.dtype)) return null
  const [begin, size] = tf.slice_util.parseSliceParams(
    x,
    attrs.begin as number[],
    attrs.size as number[],
  ) as [number[], number[]]
  tf.slice_util.assertParamsValid(x, begin, size)
  const strides = stridesOf(x.shape)
  const start = tf.slice_util.computeFlatOffset(begin, strides)
  if (tf.slice_util.isSliceContinous(x.shape, begin, size)) return storage.view(x, start, size)
  return gathered(storage, x, size, start, strides)
}

function concat({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const tensors = Object.values(inputs)
  const first = tensors[0]
  if (first === undefined || !isDeviceType(first.dtype)) return null
  if (tensors.some(({ dtype }) => dtype !== first.dtype)) return null
  const [axis] = tf.util.parseAxisParam(attrs.axis as number, first.shape) as [number]
  const shapes = tensors.map(({ shape }) => shape)
  tf.backend_util.assertParamsConsistent(shapes, axis)
  const out = storage.output(tf.backend_util.computeOutShape(shapes, axis), first.dtype)
  const strides = stridesOf(out.shape)
  let start = 0
  for (const tensor of tensors) {
    const from = { tensor, start: 0, strides: stridesOf(tensor.shape) }
    if (!copy(storage, tensor.shape, from, { tensor: out, start, strides })) {
      storage.disposeIntermediateTensorInfo(out)
      return null
    }
    start += tensor.shape[axis]! * strides[axis]!
  }
  return out
}

/** As the view of x with a dimension of stride 0 before each of its own. */
function tile({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  const reps = attrs.reps as number[]
  const strides = stridesOf(x.shape)
  const out = gathered(
    storage,
    x,
    x.shape.flatMap((length, d) => [reps[d]!, length]),
    0,
    strides.flatMap(stride => [0, stride]),
  )
  return out === null ? null : { ...out, shape: x.shape.map((length, d) => length * reps[d]!) }
}

function reverse({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  const axes = new Set(tf.util.parseAxisParam(attrs.dims as number[], x.shape))
  const strides = stridesOf(x.shape)
  const ends = x.shape.map((length, d) => (axes.has(d) ? (length - 1) * strides[d]! : 0))
  return gathered(
    storage,
    x,
    x.shape,
    ends.reduce((sum, end) => sum + end, 0),
    strides.map((stride, d) => (axes.has(d) ? -stride : stride)),
  )
}
