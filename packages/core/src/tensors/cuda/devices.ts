import { SaddleError } from '../../errors.js'
import type { DeviceInfo } from '../backends.js'
import type { Precision } from '../precision.js'
import type { Cuda, DriverCalls } from './native.js'
import { callFailed } from './status.js'

/** CUdevice_attribute. */
const COMPUTE_CAPABILITY_MAJOR = 75
const COMPUTE_CAPABILITY_MINOR = 76
const MULTIPROCESSORS = 16
/** Major compute capability from which on tensor cores take tf32 and bf16. */
const NARROW_SINCE = 8
const MEMORY_POOLS_SUPPORTED = 115

/** A device as the driver sees it, in the order that CUDA_VISIBLE_DEVICES gives. */
export interface CudaDeviceInfo extends DeviceInfo {
  /** The driver's handle: not always the ordinal. */
  readonly handle: number
  readonly memoryBytes: number
  readonly precisions: readonly Precision[]
  readonly computeCapability: string
  readonly driver: string
  /** Streaming multiprocessors: a launch needs a few blocks for each. */
  readonly multiprocessors: number
  /** True if it allocates in stream order. */
  readonly hasPools: boolean
}

/** Throws BACKEND with the call's name and the driver's name for its status. */
export function checkDriver(
  driver: DriverCalls,
  call: keyof DriverCalls & string,
  status: number,
): void {
  if (status !== 0)
    throw callFailed({ call, status, error: driver.errorName(status), memory: null })
}

/** Every device that the driver lets this process see. @throws SaddleError BACKEND if the driver fails, or sees none. */
export function listCudaDevices({ driver }: Cuda): CudaDeviceInfo[] {
  const out = new Int32Array(1)
  checkDriver(driver, 'cuInit', driver.cuInit(0))
  checkDriver(driver, 'cuDriverGetVersion', driver.cuDriverGetVersion(out))
  const version = `CUDA ${Math.floor(out[0]! / 1000)}.${Math.floor((out[0]! % 1000) / 10)}`
  checkDriver(driver, 'cuDeviceGetCount', driver.cuDeviceGetCount(out))
  if (out[0] === 0) throw new SaddleError('BACKEND', 'the CUDA driver sees no device')
  return Array.from({ length: out[0]! }, (_, ordinal) => describe(driver, ordinal, version))
}

/** @throws SaddleError CONFIG if products of the device can't have it. */
export function requirePrecision(
  { name, ordinal, computeCapability, precisions }: CudaDeviceInfo,
  precision: Precision,
): void {
  if (precisions.includes(precision)) return
  throw new SaddleError(
    'CONFIG',
    `Products in ${precision}: expected a device of compute capability ${NARROW_SINCE}.0 or more, got ${name} ` +
      `(cuda:${ordinal}) of ${computeCapability}. Use float32.`,
    { precision, device: ordinal, computeCapability },
  )
}

function describe(driver: DriverCalls, ordinal: number, version: string): CudaDeviceInfo {
  const out = new Int32Array(1)
  checkDriver(driver, 'cuDeviceGet', driver.cuDeviceGet(out, ordinal))
  const handle = out[0]!
  const attribute = (which: number): number => {
    checkDriver(driver, 'cuDeviceGetAttribute', driver.cuDeviceGetAttribute(out, which, handle))
    return out[0]!
  }
  const [major, minor] = [COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR].map(attribute)
  const name = new Uint8Array(256)
  checkDriver(driver, 'cuDeviceGetName', driver.cuDeviceGetName(name, name.length, handle))
  const uuid = new Uint8Array(16)
  checkDriver(driver, 'cuDeviceGetUuid', driver.cuDeviceGetUuid(uuid, handle))
  const bytes = new BigUint64Array(1)
  checkDriver(driver, 'cuDeviceTotalMem', driver.cuDeviceTotalMem(bytes, handle))
  return {
    ordinal,
    handle,
    name: Buffer.from(name).toString('utf8').split('\0')[0]!,
    uuid: Buffer.from(uuid).toString('hex'),
    memoryBytes: Number(bytes[0]),
    computeCapability: `${major}.${minor}`,
    precisions: major! >= NARROW_SINCE ? ['float32', 'tf32', 'bf16'] : ['float32'],
    driver: version,
    multiprocessors: attribute(MULTIPROCESSORS),
    hasPools: attribute(MEMORY_POOLS_SUPPORTED) === 1,
  }
}
