import { SaddleError } from '../../errors.js'
import type { HeldBytes } from './fit.js'

/** Free and total bytes of a device. */
export interface DeviceMemoryState {
  readonly free: number
  readonly total: number
}

/** CUresult CUDA_ERROR_OUT_OF_MEMORY. */
export const OUT_OF_MEMORY = 2

/** cublasStatus_t by number: older cuBLAS libraries have no function that names them. */
const CUBLAS: Readonly<Record<number, string>> = {
  1: 'CUBLAS_STATUS_NOT_INITIALIZED',
  3: 'CUBLAS_STATUS_ALLOC_FAILED',
  7: 'CUBLAS_STATUS_INVALID_VALUE',
  8: 'CUBLAS_STATUS_ARCH_MISMATCH',
  11: 'CUBLAS_STATUS_MAPPING_ERROR',
  13: 'CUBLAS_STATUS_EXECUTION_FAILED',
  14: 'CUBLAS_STATUS_INTERNAL_ERROR',
  15: 'CUBLAS_STATUS_NOT_SUPPORTED',
  16: 'CUBLAS_STATUS_LICENSE_ERROR',
}

export function cublasStatusName(status: number): string {
  return CUBLAS[status] ?? `cublasStatus_t ${status}`
}

/** A call of one of the libraries that did not succeed. */
export interface FailedCall {
  readonly call: string
  readonly status: number
  /** The library's name for the status. */
  readonly error: string
  /** Null where the device can't be asked. */
  readonly memory: DeviceMemoryState | null
}

/** BACKEND: which call, which error, and the memory of the device at that time. */
export function callFailed(failed: FailedCall, more = ''): SaddleError {
  return new SaddleError(
    'BACKEND',
    `cuda: ${failed.call} failed with ${failed.error}${memoryWords(failed.memory)}.${more}`,
    { ...failed },
  )
}

/**
 * BACKEND, for an allocation that the device has no room for. Its fields have what was asked for and held, for whoever
 * knows how many examples that was for.
 */
export function outOfMemory(failed: FailedCall, held: HeldBytes): SaddleError {
  const { asked, inUse, staying } = held
  const { message, fields } = callFailed(
    failed,
    ` ${megabytes(asked)} were asked for, beside ${megabytes(inUse)} in use, ${megabytes(staying)} of which are matrices ` +
      'that stay. A smaller compute.shard makes all but those smaller.',
  )
  return new SaddleError('BACKEND', message, { ...fields, ...held })
}

function memoryWords(memory: DeviceMemoryState | null): string {
  if (memory === null) return ''
  return ` (${megabytes(memory.free)} of ${megabytes(memory.total)} free)`
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 3 : 1)} MiB`
}
