import * as tf from '@tensorflow/tfjs-core'
import { planProducts } from '../../batches.js'
import { gemm } from '../gemm.js'
import type { Sgemm } from '../library.js'
import { areFloats, type BlasKernel, type KernelCall, sizeOf } from './kernel.js'

/** Matrix products by the library: C[i] = op(A[i]) op(B[i]) over a batch, with broadcasting of the batch. */
export function productKernels(sgemm: Sgemm): BlasKernel[] {
  return [
    { name: tf.BatchMatMul, compute: call => product(sgemm, call) },
    { name: tf._FusedMatMul, compute: call => fusedProduct(sgemm, call) },
  ]
}

function product(sgemm: Sgemm, { inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo }
  const { transposeA = false, transposeB = false } = attrs as Transposes
  if (!areFloats(a, b)) return null
  const { shape, outShape, fromA, fromB } = planProducts(a.shape, b.shape, transposeA, transposeB)
  const out = storage.allocate(sizeOf(outShape))
  const [aData, bData] = [storage.floats(a), storage.floats(b)]
  const { m, n, k } = shape
  for (let i = 0; i < fromA.length; i++) {
    const [p, q] = [fromA[i]!, fromB[i]!]
    gemm(
      sgemm,
      shape,
      { data: part(aData, p, m * k), transposed: transposeA },
      { data: part(bData, q, k * n), transposed: transposeB },
      part(out, i, m * n),
    )
  }
  return storage.output(outShape, out)
}

interface Transposes {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

/** The i-th matrix of a batch, as it lies in memory. */
function part(data: Float32Array, i: number, length: number): Float32Array {
  return data.length === length ? data : data.subarray(i * length, (i + 1) * length)
}

/**
 * σ(op(A) op(B) + bias): the product by the library, then bias and activation in place. relu, relu6 and none here;
 * other activations are left to the CPU backend.
 */
function fusedProduct(sgemm: Sgemm, call: KernelCall): tf.TensorInfo | null {
  const { inputs, attrs, storage } = call
  const { a, b, bias } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo; bias?: tf.TensorInfo }
  const activation = (attrs.activation ?? 'linear') as string
  const clamp = CLAMPS[activation]
  if (clamp === undefined || !areFloats(a, b)) return null
  const cols = b.shape.at(attrs.transposeB === true ? -2 : -1)!
  if (bias !== undefined && !(areFloats(bias) && isRow(bias.shape, cols))) return null
  const result = product(sgemm, call)
  if (result === null) return null
  const values = storage.floats(result)
  if (bias !== undefined) addRow(values, storage.floats(bias))
  clamp(values)
  return result
}

/** True for a bias [cols] or [1, …, cols], and for a scalar. */
function isRow(shape: readonly number[], cols: number): boolean {
  const size = sizeOf(shape)
  return size === 1 || (size === cols && shape.at(-1) === cols)
}

function addRow(values: Float32Array, row: Float32Array): void {
  const cols = row.length
  for (let start = 0; start < values.length; start += cols)
    for (let j = 0; j < cols; j++) values[start + j]! += row[j]!
}

const CLAMPS: Readonly<Record<string, (values: Float32Array) => void>> = {
  linear: () => {},
  relu(values) {
    for (let i = 0; i < values.length; i++) values[i] = Math.max(0, values[i]!)
  },
  relu6(values) {
    for (let i = 0; i < values.length; i++) values[i] = Math.min(Math.max(0, values[i]!), 6)
  },
}
