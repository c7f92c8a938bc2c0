import type * as tf from '@tensorflow/tfjs-core'
import type { BlasStorage } from '../storage.js'

/** What a kernel of this backend is given. */
export interface KernelCall {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>
  readonly attrs: Readonly<Record<string, unknown>>
  readonly storage: BlasStorage
}

/**
 * A kernel of our own. It returns null where the call is not one that it is made for (another dtype, another
 * broadcast): the CPU backend's kernel of the same name then computes.
 */
export interface BlasKernel {
  readonly name: string
  compute(call: KernelCall): tf.TensorInfo | null
}

/** True if all are float32. */
export function areFloats(...tensors: readonly tf.TensorInfo[]): boolean {
  return tensors.every(({ dtype }) => dtype === 'float32')
}

/** Numbers in a tensor of this shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1
  for (const length of shape) size *= length
  return size
}
