import * as tf from '@tensorflow/tfjs-core'
import type { DeviceUpdate, UpdatedMatrix } from '../../descent/device-update.js'
import type { DeviceInfo } from '../backends.js'
import type { FusedKernels } from '../fused.js'
import type { Precision } from '../precision.js'
import { matricesChanged } from '../resident.js'
import { listCudaDevices, requirePrecision } from './devices.js'
import { binaryKernels } from './kernels/binary.js'
import type { CudaKernel } from './kernels/kernel.js'
import { layoutKernels } from './kernels/layout.js'
import { productKernels } from './kernels/matmul.js'
import { reductionKernels } from './kernels/reduce.js'
import { softmaxKernels } from './kernels/softmax.js'
import { unaryKernels } from './kernels/unary.js'
import { valueKernels } from './kernels/values.js'
import { openCuda } from './native.js'
import { Runtime } from './runtime.js'
import { CudaStorage, isDeviceType } from './storage.js'
import { openCudaUpdate } from './update.js'

/** Kernels that compute on the device; any other is the CPU backend's, on numbers read back. */
const KERNELS: readonly CudaKernel[] = [
  ...productKernels,
  ...unaryKernels,
  ...binaryKernels,
  ...reductionKernels,
  ...layoutKernels,
  ...valueKernels,
  ...softmaxKernels,
]

/** Names of the kernels that compute on the device. */
export const cudaKernelNames: readonly string[] = KERNELS.map(({ name }) => name)

/** What is known once the backend is registered. */
export interface RegisteredCuda {
  readonly devices: readonly DeviceInfo[]
  /** The device that computes, for people. */
  readonly found: string
}

let open: { readonly ordinal: number; readonly found: string } | null = null

/**
 * The TensorFlow.js backend `cuda` on one device: its tensors live in the device's memory. Another ordinal than the
 * one in use closes that one, with all of its tensors.
 *
 * @returns the devices there are, and a description of the one that computes.
 * @throws SaddleError BACKEND if a library is missing, there is no such device, or a call fails.
 */
export async function registerCuda(ordinal = 0): Promise<RegisteredCuda> {
  const cuda = await openCuda()
  const devices = listCudaDevices(cuda)
  if (open !== null && open.ordinal !== ordinal) closeCuda()
  if (open === null) {
    await import('@tensorflow/tfjs-backend-cpu')
    let first: Runtime | null = new Runtime(cuda, ordinal)
    open = { ordinal, found: first.describe() }
    // TensorFlow.js makes the backend anew after a reset of its engine, which disposes of it.
    tf.registerBackend('cuda', () => {
      const runtime = first ?? new Runtime(cuda, ordinal)
      first = null
      return new CudaStorage(runtime)
    })
    registerKernels()
    process.once('exit', closeAtExit)
  }
  return { found: open.found, devices }
}

/** Gives all memory back to the device, and its context. What computes in this thread must be chosen anew. */
export function closeCuda(): void {
  if (open === null) return
  open = null
  process.off('exit', closeAtExit)
  matricesChanged()
  tf.removeBackend('cuda')
}

/** At the end of the thread there is nobody left to tell of a context that a kernel has broken. */
function closeAtExit(): void {
  try {
    closeCuda()
  } catch {}
}

/**
 * `withPrecision` on the device of this thread.
 *
 * @throws SaddleError CONFIG if the device does not have it.
 */
export function withPrecision<T>(precision: Precision, work: () => T): T {
  const { products, device } = (tf.backend() as CudaStorage).runtime
  requirePrecision(device.info, precision)
  const before = products.precision
  products.precision = precision
  try {
    return work()
  } finally {
    products.precision = before
  }
}

/** `FusedKernels` on the device of this thread. */
export function fused(): FusedKernels {
  return (tf.backend() as CudaStorage).fused
}

/** `DeviceUpdate` on the device of this thread. */
export function openUpdate(matrix: UpdatedMatrix): DeviceUpdate {
  return openCudaUpdate(tf.backend() as CudaStorage, matrix)
}

function registerKernels(): void {
  const own = new Map(KERNELS.map(kernel => [kernel.name, kernel]))
  const registered = new Set(tf.getKernelsForBackend('cuda').map(({ kernelName }) => kernelName))
  for (const theirs of tf.getKernelsForBackend('cpu')) {
    const { kernelName, kernelFunc } = theirs
    if (registered.has(kernelName)) continue
    const host = PASS_ON.has(kernelName) ? kernelFunc : onHost(kernelName, kernelFunc)
    const kernel = own.get(kernelName)
    tf.registerKernel({
      ...theirs,
      backendName: 'cuda',
      kernelFunc: kernel === undefined ? host : orElse(kernel, host),
    })
  }
}

/** Kernels of the CPU backend that only give the same numbers another shape, and read none. */
const PASS_ON: ReadonlySet<string> = new Set([tf.Identity, tf.Reshape, tf.ExpandDims])

function orElse(kernel: CudaKernel, host: tf.KernelFunc): tf.KernelFunc {
  return call => {
    const { inputs, attrs, backend } = call
    const result = kernel.compute({
      inputs: inputs as Record<string, tf.TensorInfo>,
      attrs: (attrs ?? {}) as Record<string, unknown>,
      storage: backend as CudaStorage,
    })
    return result ?? host(call)
  }
}

const warned = new Set<string>()

/** A kernel of the CPU backend. The first time that it makes numbers leave the device, a warning says so. */
function onHost(name: string, kernelFunc: tf.KernelFunc): tf.KernelFunc {
  return call => {
    const storage = call.backend as CudaStorage
    // A kernel may take lists of tensors, and leave some out.
    const inputs = Object.values(call.inputs)
      .flat()
      .filter(input => input !== undefined && input !== null)
    if (!warned.has(name) && inputs.some(input => storage.isOnlyOnDevice(input))) {
      warned.add(name)
      process.emitWarning(
        `cuda has no kernel for this ${name}: it computes on the host, on numbers read back from the device.`,
        { code: 'SADDLE_CUDA_HOST' },
      )
    }
    const outputs = kernelFunc(call)
    return Array.isArray(outputs)
      ? outputs.map(output => typed(storage, output))
      : typed(storage, outputs)
  }
}

/** A tensor's numbers in the type that the tensor has: the CPU backend may keep integers for a float32 tensor. */
function typed(storage: CudaStorage, output: tf.TensorInfo): tf.TensorInfo {
  const { dataId, shape, dtype } = output
  if (!isDeviceType(dtype) || storage.dtypeOf(output) === dtype) return output
  const values = storage.readSync(dataId) as Float32Array
  storage.disposeIntermediateTensorInfo(output)
  const converted = dtype === 'float32' ? Float32Array.from(values) : Int32Array.from(values)
  return { dataId: storage.write(converted, shape, dtype), shape, dtype }
}
