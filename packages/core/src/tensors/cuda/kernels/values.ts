import * as tf from '@tensorflow/tfjs-core'
import { address, double, integer } from '../arguments.js'
import { FILL } from '../fill.js'
import { programOf } from '../program.js'
import { bytesPerElement, type CudaStorage, type DeviceType, isDeviceType } from '../storage.js'
import { C_TYPE, type CudaKernel, type KernelCall, SUFFIX, sizeOf } from './kernel.js'

/** Numbers of one type to another: to int32 towards 0, to bool by being unequal to 0. */
const casts = (['float32', 'int32', 'bool'] as const).flatMap(from =>
  (['float32', 'int32', 'bool'] as const)
    .filter(to => to !== from)
    .map(
      to => `
extern "C" __global__ void cast_${SUFFIX[from]}_${SUFFIX[to]}(i64 n, const ${C_TYPE[from]} *a, ${C_TYPE[to]} *out) {
  EACH(i, n) out[i] = ${to === 'bool' ? 'a[i] != 0' : `(${C_TYPE[to]})a[i]`};
}`,
    ),
)

/** t where the condition holds, else e: one flag for every `run` numbers. */
const selects = ['u32', 'u8'].map(
  type => `
extern "C" __global__ void select_${type === 'u32' ? 4 : 1}(i64 n, const u8 *flags, const ${type} *t, const ${type} *e, ${type} *out, i64 run) {
  EACH(i, n) out[i] = flags[run == 1 ? i : i / run] ? t[i] : e[i];
}`,
)

const VALUES = programOf('values', [
  ...casts,
  ...selects,
  `
extern "C" __global__ void one_hot(i64 n, const int *places, u32 *out, i64 depth, i64 on, i64 off) {
  EACH(i, n) out[i] = (u32)(places[i / depth] == i % depth ? on : off);
}

extern "C" __global__ void range(i64 n, float *out, double start, double step) {
  EACH(i, n) out[i] = (float)(start + i * step);
}

/* x: [outer, length, inner], places: [count]; out: [outer, count, inner]. */
extern "C" __global__ void gather(i64 n, const u32 *x, const int *places, u32 *out, i64 length, i64 count, i64 inner) {
  EACH(i, n) {
    i64 j = i % inner, place = i / inner % count, outer = i / inner / count;
    out[i] = x[(outer * length + places[place]) * inner + j];
  }
}`,
])

export const valueKernels: readonly CudaKernel[] = [
  { name: tf.Cast, compute: cast },
  { name: tf.Select, compute: select },
  { name: tf.Fill, compute: fill },
  { name: tf.ZerosLike, compute: ({ inputs, storage }) => like(storage, inputs.x!, 0) },
  { name: tf.OnesLike, compute: ({ inputs, storage }) => like(storage, inputs.x!, 1) },
  { name: tf.OneHot, compute: oneHot },
  { name: tf.GatherV2, compute: gather },
  { name: tf.Range, compute: range },
]

function cast({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  const dtype = attrs.dtype as tf.DataType
  if (!isDeviceType(x.dtype) || !isDeviceType(dtype)) return null
  if (x.dtype === dtype) {
    storage.incRef(x.dataId)
    return { dataId: x.dataId, shape: x.shape, dtype }
  }
  const from = storage.deviceAddress(x)
  const out = storage.output(x.shape, dtype)
  storage.runtime.launch(VALUES, `cast_${SUFFIX[x.dtype]}_${SUFFIX[dtype]}`, sizeOf(x.shape), [
    address(from),
    address(storage.deviceAddress(out)),
  ])
  return out
}

/** The condition has the shape of t, or is a vector: a flag for each of t's rows. */
function select({ inputs, storage }: KernelCall): tf.TensorInfo | null {
  const { condition, t, e } = inputs as Record<'condition' | 't' | 'e', tf.TensorInfo>
  if (!isDeviceType(t.dtype) || e.dtype !== t.dtype || condition.dtype !== 'bool') return null
  const [flags, size] = [sizeOf(condition.shape), sizeOf(t.shape)]
  if (sizeOf(e.shape) !== size || (flags === 0 ? size !== 0 : size % flags !== 0)) return null
  const [from, yes, no] = [condition, t, e].map(tensor => storage.deviceAddress(tensor))
  const out = storage.output(t.shape, t.dtype)
  storage.runtime.launch(VALUES, `select_${bytesPerElement(t.dtype)}`, size, [
    address(from!),
    address(yes!),
    address(no!),
    address(storage.deviceAddress(out)),
    integer(flags === 0 ? 1 : size / flags),
  ])
  return out
}

function fill({ attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { shape, value } = attrs as { shape: number[]; value: number | string }
  const dtype = (attrs.dtype ?? tf.util.inferDtype(value)) as tf.DataType
  if (typeof value === 'string' || !isDeviceType(dtype)) return null
  return filled(storage, shape, dtype, Number(value))
}

function like(storage: CudaStorage, x: tf.TensorInfo, value: number): tf.TensorInfo | null {
  return isDeviceType(x.dtype) ? filled(storage, x.shape, x.dtype, value) : null
}

/** A tensor of one number everywhere. */
export function filled(
  storage: CudaStorage,
  shape: readonly number[],
  dtype: DeviceType,
  value: number,
): tf.TensorInfo {
  const out = storage.output(shape, dtype)
  storage.runtime.launch(FILL, `fill_${bytesPerElement(dtype)}`, sizeOf(shape), [
    address(storage.deviceAddress(out)),
    integer(bitsOf(value, dtype)),
  ])
  return out
}

/** The bits of a number of this type. */
function bitsOf(value: number, dtype: DeviceType): number {
  if (dtype !== 'float32') return Math.trunc(value)
  return new Int32Array(Float32Array.of(value).buffer)[0]!
}

function oneHot({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { indices } = inputs as { indices: tf.TensorInfo }
  const { dtype, depth, onValue, offValue } = attrs as Record<string, number> & { dtype: string }
  if (indices.dtype !== 'int32' || (dtype !== 'float32' && dtype !== 'int32')) return null
  const from = storage.deviceAddress(indices)
  const out = storage.output([...indices.shape, depth!], dtype)
  storage.runtime.launch(VALUES, 'one_hot', sizeOf(out.shape), [
    address(from),
    address(storage.deviceAddress(out)),
    integer(depth!),
    integer(bitsOf(onValue!, dtype)),
    integer(bitsOf(offValue!, dtype)),
  ])
  return out
}

/** start, start + step, … up to but not `stop`. */
function range({ attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { start, stop, step, dtype } = attrs as Record<string, number> & { dtype: string }
  const count = Math.ceil((stop! - start!) / step!)
  if (dtype !== 'float32' || !(count > 0)) return null
  const out = storage.output([count], dtype)
  storage.runtime.launch(VALUES, 'range', count, [
    address(storage.deviceAddress(out)),
    double(start!),
    double(step!),
  ])
  return out
}

/** Along one axis, without batches of indices, which are looked at on the host: one outside the axis is an error. */
function gather({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { x, indices } = inputs as { x: tf.TensorInfo; indices: tf.TensorInfo }
  if (!isDeviceType(x.dtype) || bytesPerElement(x.dtype) !== 4) return null
  if (indices.dtype !== 'int32' || attrs.batchDims !== 0) return null
  const [axis] = tf.util.parseAxisParam(attrs.axis as number, x.shape) as [number]
  const length = x.shape[axis]!
  const places = storage.readSync(indices.dataId) as Int32Array
  for (const place of places)
    tf.util.assert(
      place >= 0 && place < length,
      () => `GatherV2: the index value ${place} is not in [0, ${length - 1}]`,
    )
  const inner = sizeOf(x.shape.slice(axis + 1))
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]
  const [from, which] = [storage.deviceAddress(x), storage.deviceAddress(indices)]
  const out = storage.output(shape, x.dtype)
  storage.runtime.launch(VALUES, 'gather', sizeOf(shape), [
    address(from),
    address(which),
    address(storage.deviceAddress(out)),
    integer(length),
    integer(places.length),
    integer(inner),
  ])
  return out
}
