import type * as tf from '@tensorflow/tfjs-core'
import type { CudaStorage } from '../storage.js'

/** What a kernel of this backend is given. */
export interface KernelCall {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>
  readonly attrs: Readonly<Record<string, unknown>>
  readonly storage: CudaStorage
}

/**
 * A kernel on the device. It returns null where the call is not one that it is made for (another dtype, more than
 * eight dimensions): the CPU backend's kernel of the same name then computes, on the host.
 */
export interface CudaKernel {
  readonly name: string
  compute(call: KernelCall): tf.TensorInfo | null
}

/** Numbers in a tensor of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, length) => size * length, 1)
}

/** True if all are of this type. */
export function areAll(dtype: tf.DataType, ...tensors: readonly tf.TensorInfo[]): boolean {
  return tensors.every(tensor => tensor.dtype === dtype)
}

/** Types as kernels' names end. */
export const SUFFIX = { float32: 'f32', int32: 'i32', bool: 'u8' } as const

/** Types as C has them. */
export const C_TYPE = { float32: 'float', int32: 'int', bool: 'u8' } as const
