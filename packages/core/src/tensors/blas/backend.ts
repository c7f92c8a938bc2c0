import * as tf from '@tensorflow/tfjs-core'
import { binaryKernels } from './kernels/binary.js'
import type { BlasKernel } from './kernels/kernel.js'
import { layoutKernels } from './kernels/layout.js'
import { productKernels } from './kernels/matmul.js'
import { reductionKernels } from './kernels/reduce.js'
import { unaryKernels } from './kernels/unary.js'
import { type BlasLibrary, openBlas } from './library.js'
import type { Recycler } from './recycler.js'
import type { BlasStorage } from './storage.js'

/**
 * The TensorFlow.js backend `blas`: the storage and the kernels of the CPU backend, with the hot ones replaced.
 * Matrix products go to the system's BLAS, in place; elementwise kernels, sums and copies are loops of our own.
 *
 * @param free where arrays of freed tensors wait for reuse; tests pass one that spoils them.
 * @returns the library that computes. @throws SaddleError BACKEND if there is none.
 */
export async function registerBlas(free?: Recycler): Promise<BlasLibrary> {
  const library = await openBlas()
  const { BlasStorage } = await import('./storage.js')
  if (tf.findBackendFactory('blas') !== null) return library
  tf.registerBackend('blas', () => new BlasStorage(free), 0)
  const own = new Map(
    [
      ...productKernels(library.sgemm),
      ...unaryKernels,
      ...binaryKernels,
      ...reductionKernels,
      ...layoutKernels,
    ].map((kernel): [string, BlasKernel] => [kernel.name, kernel]),
  )
  for (const theirs of tf.getKernelsForBackend('cpu')) {
    const { kernelName, kernelFunc } = theirs
    const shared = PASS_ON.has(kernelName) ? kernelFunc : released(kernelFunc)
    const kernel = own.get(kernelName)
    tf.registerKernel({
      ...theirs,
      backendName: 'blas',
      kernelFunc: kernel === undefined ? shared : orElse(kernel, shared),
    })
  }
  return library
}

/** Kernels of the CPU backend that only give the same storage another shape: what they return may still be reused. */
const PASS_ON: ReadonlySet<string> = new Set([tf.Identity, tf.Reshape, tf.ExpandDims])

/** A kernel of the CPU backend: its results may share memory with its inputs, so those are not used again. */
function released(kernelFunc: tf.KernelFunc): tf.KernelFunc {
  return call => {
    const storage = call.backend as BlasStorage
    for (const input of Object.values(call.inputs)) {
      if (input !== undefined && input !== null) storage.release(input)
    }
    return kernelFunc(call)
  }
}

function orElse(kernel: BlasKernel, theirs: tf.KernelFunc): tf.KernelFunc {
  return call => {
    const { inputs, attrs, backend } = call
    const storage = backend as BlasStorage
    return (
      kernel.compute({
        inputs: inputs as Record<string, tf.TensorInfo>,
        attrs: (attrs ?? {}) as Record<string, unknown>,
        storage,
      }) ?? theirs(call)
    )
  }
}
