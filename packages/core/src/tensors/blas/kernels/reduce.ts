import * as tf from '@tensorflow/tfjs-core'
import { areFloats, type BlasKernel, type KernelCall, sizeOf } from './kernel.js'

/** Sums and maxima over the last axes of a tensor: [rows, cols] to [rows], in order, sums in float64. */
export const reductionKernels: readonly BlasKernel[] = [
  { name: tf.Sum, compute: call => reduceRows(call, call.attrs.axis, sumOf) },
  { name: tf.Max, compute: call => reduceRows(call, call.attrs.reductionIndices, maximumOf) },
]

type Reduce = (values: Float32Array, start: number, stop: number) => number

function reduceRows(
  { inputs, attrs, storage }: KernelCall,
  axis: unknown,
  reduce: Reduce,
): tf.TensorInfo | null {
  const { x } = inputs as { x: tf.TensorInfo }
  if (!areFloats(x)) return null
  const axes = tf.util.parseAxisParam(axis as number | number[], x.shape)
  if (!tf.backend_util.axesAreInnerMostDims(axes, x.shape.length)) return null
  const kept = x.shape.slice(0, x.shape.length - axes.length)
  const rows = sizeOf(kept)
  const values = storage.floats(x)
  const cols = values.length / rows
  if (values.length === 0) return null
  const out = storage.allocate(rows)
  for (let r = 0; r < rows; r++) out[r] = reduce(values, r * cols, (r + 1) * cols)
  return storage.output(
    attrs.keepDims === true ? tf.backend_util.expandShapeToKeepDim(kept, axes) : kept,
    out,
  )
}

function sumOf(values: Float32Array, start: number, stop: number): number {
  let sum = 0
  for (let i = start; i < stop; i++) sum += values[i]!
  return sum
}

/** NaN if there is one: the last, as the CPU backend has it. */
function maximumOf(values: Float32Array, start: number, stop: number): number {
  let maximum = values[start]!
  for (let i = start; i < stop; i++) {
    const value = values[i]!
    if (Number.isNaN(value) || value > maximum) maximum = value
  }
  return maximum
}
