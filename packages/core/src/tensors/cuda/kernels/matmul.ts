import * as tf from '@tensorflow/tfjs-core'
import { planProducts } from '../../batches.js'
import type { DeviceOperand } from '../products.js'
import type { CudaStorage } from '../storage.js'
import { combined } from './binary.js'
import { areAll, type CudaKernel, type KernelCall, sizeOf } from './kernel.js'
import { elementwise } from './unary.js'
import { filled } from './values.js'

/** Matrix products by cuBLAS: C[i] = op(A[i]) op(B[i]) over a batch, with broadcasting of the batch. */
export const productKernels: readonly CudaKernel[] = [
  { name: tf.BatchMatMul, compute: product },
  { name: tf._FusedMatMul, compute: fusedProduct },
]

function product({ inputs, attrs, storage }: KernelCall): tf.TensorInfo | null {
  const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo }
  const { transposeA = false, transposeB = false } = attrs as Record<string, boolean>
  if (!areAll('float32', a, b)) return null
  const { shape, outShape, fromA, fromB } = planProducts(a.shape, b.shape, transposeA, transposeB)
  const { m, n, k } = shape
  if (k === 0 || sizeOf(outShape) === 0) return filled(storage, outShape, 'float32', 0)
  const { products } = storage.runtime
  const isNarrow = products.precision === 'bf16'
  const bytes = isNarrow ? 2 : 4
  const [x, y] = [a, b].map(tensor =>
    isNarrow ? storage.narrowed(tensor) : { address: storage.deviceAddress(tensor), release() {} },
  ) as [Held, Held]
  const left = { address: x.address, transposed: transposeA, step: m * k }
  const right = { address: y.address, transposed: transposeB, step: k * n }
  const out = storage.output(outShape, 'float32')
  const to = storage.deviceAddress(out)
  for (const { first, count, stepA, stepB } of runs(fromA, fromB)) {
    const operands = [
      from(left, bytes, fromA[first]!, stepA),
      from(right, bytes, fromB[first]!, stepB),
      to + 4 * first * m * n,
    ] as const
    if (isNarrow) products.multiplyNarrow(shape, count, ...operands)
    else products.multiply(shape, count, ...operands)
  }
  x.release()
  y.release()
  return out
}

type Held = ReturnType<CudaStorage['narrowed']>

/** An operand from its `first` matrix on, taking every `step`-th; `bytes` to a number. */
function from(whole: DeviceOperand, bytes: number, first: number, step: number): DeviceOperand {
  return {
    ...whole,
    address: whole.address + bytes * first * whole.step,
    step: step * whole.step,
  }
}

/** Products whose operands follow one another at equal steps, which cuBLAS takes in one call. */
function runs(fromA: Int32Array, fromB: Int32Array) {
  const all: { first: number; count: number; stepA: number; stepB: number }[] = []
  for (let first = 0; first < fromA.length; ) {
    const stepA = (fromA[first + 1] ?? 0) - fromA[first]!
    const stepB = (fromB[first + 1] ?? 0) - fromB[first]!
    let next = first + 1
    while (
      next < fromA.length &&
      stepA >= 0 &&
      stepB >= 0 &&
      fromA[next]! - fromA[next - 1]! === stepA &&
      fromB[next]! - fromB[next - 1]! === stepB
    )
      next++
    const alone = next === first + 1
    all.push({ first, count: next - first, stepA: alone ? 0 : stepA, stepB: alone ? 0 : stepB })
    first = next
  }
  return all
}

/** Activations of a fused product, by the kernel that computes them. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  relu: tf.Relu,
  relu6: tf.Relu6,
  elu: tf.Elu,
  sigmoid: tf.Sigmoid,
  leakyrelu: tf.LeakyRelu,
}

/** σ(op(A) op(B) + bias). A learned prelu is left to the host. */
function fusedProduct(call: KernelCall): tf.TensorInfo | null {
  const { inputs, attrs, storage } = call
  const { bias } = inputs
  const activation = (attrs.activation ?? 'linear') as string
  const kernel = ACTIVATIONS[activation]
  if (kernel === undefined && activation !== 'linear') return null
  if (bias !== undefined && bias !== null && !areAll('float32', bias)) return null
  let result = product(call)
  const replace = (next: tf.TensorInfo) => {
    storage.disposeIntermediateTensorInfo(result!)
    result = next
  }
  if (result === null) return null
  if (bias !== undefined && bias !== null) replace(combined(storage, tf.Add, result, bias)!)
  if (kernel !== undefined)
    replace(
      elementwise(storage, kernel, result, 'float32', [(attrs.leakyreluAlpha as number) ?? 0]),
    )
  return result
}
