import { SaddleError } from '../../errors.js'
import { type CudaDeviceInfo, checkDriver, listCudaDevices } from './devices.js'
import { type HeldKind, noteGiven, noteHeld } from './ledger.js'
import type { Address, Cuda, DriverCalls, HostArray } from './native.js'
import { callFailed, type DeviceMemoryState, type FailedCall } from './status.js'

/** CU_STREAM_NON_BLOCKING: the threads of a process that share a device don't wait for each other. */
const NON_BLOCKING = 1

/**
 * One device as one thread uses it: the device's primary context, which all threads of the process share and which is
 * made current in this one, and a stream of the thread's own on which everything runs in order.
 */
export class Device {
  readonly cuda: Cuda
  readonly info: CudaDeviceInfo
  readonly stream: Address
  readonly #driver: DriverCalls
  readonly #address = new BigUint64Array(1)

  /** @throws SaddleError BACKEND if there is no such ordinal, or the driver fails. */
  constructor(cuda: Cuda, ordinal: number) {
    this.cuda = cuda
    this.#driver = cuda.driver
    const devices = listCudaDevices(cuda)
    const info = devices[ordinal]
    if (info === undefined)
      throw new SaddleError(
        'BACKEND',
        `there is no cuda device ${ordinal}: the driver sees ${devices.length} ` +
          `(cuda:0 to cuda:${devices.length - 1}; CUDA_VISIBLE_DEVICES may hide others)`,
        { ordinal, devices: devices.length },
      )
    this.info = info
    const driver = this.#driver
    const out = this.#address
    this.check('cuDevicePrimaryCtxRetain', driver.cuDevicePrimaryCtxRetain(out, info.handle))
    this.hold('context', info.handle)
    this.check('cuCtxSetCurrent', driver.cuCtxSetCurrent(out[0]!))
    this.check('cuStreamCreate', driver.cuStreamCreate(out, NON_BLOCKING))
    this.stream = Number(out[0])
    this.hold('stream', this.stream)
  }

  /** Throws BACKEND with the memory state unless `status` says that `call` succeeded. */
  check(call: string, status: number): void {
    if (status !== 0) throw callFailed(this.failed(call, status))
  }

  failed(call: string, status: number, error = this.#driver.errorName(status)): FailedCall {
    return { call, status, error, memory: this.memoryState() }
  }

  /** Null once the context is broken, as it is after a kernel that wrote outside its memory. */
  memoryState(): DeviceMemoryState | null {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)]
    if (this.#driver.cuMemGetInfo(free, total) !== 0) return null
    return { free: Number(free[0]), total: Number(total[0]) }
  }

  /** In stream order where the device can. The caller looks at the status: there may be memory to give back. */
  allocate(bytes: number): { address: Address; status: number; call: string } {
    const out = this.#address
    const { ordered } = this.cuda
    const inOrder = ordered !== null && this.info.hasPools
    const status = inOrder
      ? ordered.cuMemAllocAsync(out, bytes, this.stream)
      : this.#driver.cuMemAlloc(out, bytes)
    if (status === 0) this.hold('memory', Number(out[0]))
    return { address: Number(out[0]), status, call: inOrder ? 'cuMemAllocAsync' : 'cuMemAlloc' }
  }

  free(address: Address): void {
    this.given('memory', address)
    const { ordered } = this.cuda
    if (ordered !== null && this.info.hasPools)
      this.check('cuMemFreeAsync', ordered.cuMemFreeAsync(address, this.stream))
    else this.check('cuMemFree', this.#driver.cuMemFree(address))
  }

  /** Copies an array to the device. It is read before this returns, wherever it lies. */
  upload(to: Address, from: HostArray): void {
    const status = this.#driver.cuMemcpyHtoDAsync(to, from, from.byteLength, this.stream)
    this.check('cuMemcpyHtoDAsync', status)
    this.synchronize()
  }

  /** Fills an array from the device, once all work before has run. */
  download(into: HostArray, from: Address): void {
    const status = this.#driver.cuMemcpyDtoHAsync(into, from, into.byteLength, this.stream)
    this.check('cuMemcpyDtoHAsync', status)
    this.synchronize()
  }

  /** Waits for the stream. A kernel's failure shows here, or in any call after it. */
  synchronize(): void {
    this.check('cuStreamSynchronize', this.#driver.cuStreamSynchronize(this.stream))
  }

  /** Notes that this thread holds something on the device, or has given it back. */
  hold(kind: HeldKind, value: number): void {
    noteHeld({ kind, device: this.info.handle, value })
  }

  given(kind: HeldKind, value: number): void {
    noteGiven({ kind, device: this.info.handle, value })
  }

  close(): void {
    const driver = this.#driver
    this.given('stream', this.stream)
    checkDriver(driver, 'cuStreamDestroy', driver.cuStreamDestroy(this.stream))
    this.given('context', this.info.handle)
    const status = driver.cuDevicePrimaryCtxRelease(this.info.handle)
    checkDriver(driver, 'cuDevicePrimaryCtxRelease', status)
  }
}
