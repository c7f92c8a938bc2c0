import * as tf from '@tensorflow/tfjs-core'
import { address, float, integer } from '../arguments.js'
import { programOf } from '../program.js'
import type { CudaStorage } from '../storage.js'
import { type CudaKernel, type KernelCall, sizeOf } from './kernel.js'
import { transposed } from './layout.js'

/** A reduction: where it starts, and how it takes the next x into `sum`. */
interface Reduction {
  readonly dtype: 'float32' | 'bool'
  readonly start: string
  readonly next: string
}

const sum: Reduction = { dtype: 'float32', start: '0.0f', next: 'sum + x' }
const REDUCTIONS = {
  [tf.Sum]: sum,
  [tf.Prod]: { dtype: 'float32', start: '1.0f', next: 'sum * x' },
  [tf.Max]: { dtype: 'float32', start: '-INFINITE', next: 'x != x || x > sum ? x : sum' },
  [tf.Min]: { dtype: 'float32', start: 'INFINITE', next: 'x != x || x < sum ? x : sum' },
  [tf.Any]: { dtype: 'bool', start: '0', next: 'sum || x' },
  [tf.All]: { dtype: 'bool', start: '1', next: 'sum && x' },
} as const satisfies Record<string, Reduction>

const ARGUMENTS = { [tf.ArgMax]: '>', [tf.ArgMin]: '<' } as const

/**
 * [outer, length, inner] to [outer, lanes, inner]: a thread takes every lanes-th number, so that neighbours read
 * neighbours, in an order that the shape alone decides.
 */
function loop(name: string, { dtype, start, next }: Reduction): string {
  const type = dtype === 'bool' ? 'u8' : 'float'
  return `
extern "C" __global__ void reduce_${name}(i64 n, const ${type} *a, ${type} *out, i64 length, i64 lanes, i64 inner, float scale) {
  EACH(i, n) {
    i64 j = i % inner, lane = i / inner % lanes, outer = i / inner / lanes;
    const ${type} *from = a + outer * length * inner + j;
    ${type} sum = ${start};
    for (i64 l = lane; l < length; l += lanes) {
      ${type} x = from[l * inner];
      sum = ${next};
    }
    out[i] = ${dtype === 'bool' ? 'sum' : 'sum * scale'};
  }
}`
}

/** The first place of the largest (smallest) number along [outer, length, inner]. */
function search(name: string, operator: string): string {
  return `
extern "C" __global__ void find_${name}(i64 n, const float *a, int *out, i64 length, i64 inner) {
  EACH(i, n) {
    const float *from = a + i / inner * length * inner + i % inner;
    float best = from[0];
    int place = 0;
    for (i64 l = 1; l < length; l++) {
      float x = from[l * inner];
      if (x ${operator} best) {
        best = x;
        place = (int)l;
      }
    }
    out[i] = place;
  }
}`
}

const REDUCE = programOf('reduce', [
  ...Object.entries(REDUCTIONS).map(([name, reduction]) => loop(name, reduction)),
  ...Object.entries(ARGUMENTS).map(([name, operator]) => search(name, operator)),
])

export const reductionKernels: readonly CudaKernel[] = [
  { name: tf.Sum, compute: call => reduce(call, tf.Sum, call.attrs.axis) },
  { name: tf.Mean, compute: call => reduce(call, tf.Sum, call.attrs.axis, true) },
  { name: tf.Prod, compute: call => reduce(call, tf.Prod, call.attrs.axis) },
  { name: tf.Max, compute: call => reduce(call, tf.Max, call.attrs.reductionIndices) },
  { name: tf.Min, compute: call => reduce(call, tf.Min, call.attrs.axis) },
  { name: tf.Any, compute: call => reduce(call, tf.Any, call.attrs.axis) },
  { name: tf.All, compute: call => reduce(call, tf.All, call.attrs.axis) },
  { name: tf.ArgMax, compute: call => find(call, tf.ArgMax) },
  { name: tf.ArgMin, compute: call => find(call, tf.ArgMin) },
]

/** Above this many numbers to a result, they are shared among lanes, whose results are then reduced. */
const ONE_LANE = 1024
const LANES = 256

function reduce(
  { inputs, attrs, storage }: KernelCall,
  name: keyof typeof REDUCTIONS,
  axis: unknown,
  isMean = false,
): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  const { dtype } = REDUCTIONS[name]
  if (x.dtype !== dtype || sizeOf(x.shape) === 0) return null
  const axes = tf.util.parseAxisParam(axis as number | number[], x.shape)
  const kept = x.shape.filter((_, d) => !axes.includes(d))
  const shape =
    attrs.keepDims === true ? x.shape.map((length, d) => (axes.includes(d) ? 1 : length)) : kept
  const sides = neighbours(x.shape, axes)
  const ready = sides === null ? lastAxes(storage, x, axes) : x
  if (ready === null) return null
  const { outer, length, inner } = sides ?? {
    outer: sizeOf(kept),
    length: sizeOf(x.shape) / sizeOf(kept),
    inner: 1,
  }
  const scale = isMean ? 1 / length : 1
  const lanes = length > ONE_LANE ? LANES : 1
  const run = (from: tf.TensorInfo, many: number, to: number, by: number): tf.TensorInfo => {
    const out = storage.output(lanes === to && to > 1 ? [outer, to, inner] : shape, dtype)
    storage.runtime.launch(REDUCE, `reduce_${name}`, outer * to * inner, [
      address(storage.deviceAddress(from)),
      address(storage.deviceAddress(out)),
      integer(many),
      integer(to),
      integer(inner),
      float(by),
    ])
    if (from !== x) storage.disposeIntermediateTensorInfo(from)
    return out
  }
  return lanes === 1
    ? run(ready, length, 1, scale)
    : run(run(ready, length, lanes, 1), lanes, 1, scale)
}

/** The shape as [outer, length, inner] with all reduced axes in the middle; null where others lie between them. */
function neighbours(shape: readonly number[], axes: readonly number[]) {
  const long = axes.filter(d => shape[d] !== 1)
  const [first, last] = [Math.min(...long), Math.max(...long)]
  if (long.length === 0) return { outer: sizeOf(shape), length: 1, inner: 1 }
  const between = shape.slice(first, last + 1)
  if (between.some((length, d) => length !== 1 && !long.includes(first + d))) return null
  return {
    outer: sizeOf(shape.slice(0, first)),
    length: sizeOf(between),
    inner: sizeOf(shape.slice(last + 1)),
  }
}

/** x with the reduced axes behind the others. */
function lastAxes(storage: CudaStorage, x: tf.TensorInfo, axes: readonly number[]) {
  const others = x.shape.map((_, d) => d).filter(d => !axes.includes(d))
  return transposed(storage, x, [...others, ...axes])
}

function find({ inputs, attrs, storage }: KernelCall, name: keyof typeof ARGUMENTS) {
  const { x } = inputs as { x: tf.TensorInfo }
  const axes = tf.util.parseAxisParam(attrs.axis as number, x.shape)
  if (x.dtype !== 'float32' || axes.length !== 1 || sizeOf(x.shape) === 0) return null
  const axis = axes[0]!
  const inner = sizeOf(x.shape.slice(axis + 1))
  const from = storage.deviceAddress(x)
  const out = storage.output([...x.shape.slice(0, axis), ...x.shape.slice(axis + 1)], 'int32')
  storage.runtime.launch(REDUCE, `find_${name}`, sizeOf(out.shape), [
    address(from),
    address(storage.deviceAddress(out)),
    integer(x.shape[axis]!),
    integer(inner),
  ])
  return out
}
