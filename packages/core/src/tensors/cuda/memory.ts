import type { Device } from './device.js'
import { OUT_OF_MEMORY, outOfMemory } from './status.js'

/** A piece of device memory, shared by the tensors that lie in it. */
export interface DeviceBuffer {
  readonly address: number
  /** Bytes of its class, at least what was asked for. */
  readonly bytes: number
  /** Tensors that lie in it. */
  users: number
  /** For a matrix that stays on the device: how many numbers it has, and their copy in bf16 once there is one. */
  stays: { readonly length: number; narrow: DeviceBuffer | null } | null
}

/** No tensor is smaller: the driver aligns to this much. */
const SMALLEST = 512

/**
 * The size class of `bytes`: 8 classes to an octave, so that an eighth is wasted at most, and a training step, whose
 * tensors have the same sizes every time, finds each of them again.
 */
function sizeClass(bytes: number): number {
  const needed = Math.max(bytes, SMALLEST)
  const step = Math.max(SMALLEST, 2 ** (Math.floor(Math.log2(needed)) - 3))
  return Math.ceil(needed / step) * step
}

/**
 * Memory of one device for one thread. What is given back waits, by size class, for the next tensor of that class:
 * all work of a thread is on one stream, so a buffer may be taken again before the work that last used it has run.
 */
export class DeviceMemory {
  readonly #device: Device
  readonly #free = new Map<number, number[]>()
  #bytesInUse = 0
  #bytesStaying = 0
  #bytesWaiting = 0

  constructor(device: Device) {
    this.#device = device
  }

  /** Bytes of tensors, and bytes that wait for the next ones. */
  get state(): { readonly bytesInUse: number; readonly bytesWaiting: number } {
    return { bytesInUse: this.#bytesInUse, bytesWaiting: this.#bytesWaiting }
  }

  /**
   * @param toStay for a matrix that stays: an error says so.
   * @throws SaddleError BACKEND if the device has no room, not even after all that waits was given back.
   */
  take(bytes: number, toStay = false): DeviceBuffer {
    const size = sizeClass(bytes)
    const waiting = this.#free.get(size)?.pop()
    if (waiting !== undefined) this.#bytesWaiting -= size
    const address = waiting ?? this.#allocate(size, toStay)
    this.#bytesInUse += size
    return { address, bytes: size, users: 1, stays: null }
  }

  /** Says that a buffer keeps a matrix of so many numbers, however many examples there are. */
  stay(buffer: DeviceBuffer, length: number): void {
    if (buffer.stays === null) this.#bytesStaying += buffer.bytes
    buffer.stays = { length, narrow: null }
  }

  give(buffer: DeviceBuffer): void {
    const { address, bytes } = buffer
    if (buffer.stays !== null) this.#bytesStaying -= bytes
    const waiting = this.#free.get(bytes) ?? []
    this.#free.set(bytes, waiting)
    waiting.push(address)
    this.#bytesInUse -= bytes
    this.#bytesWaiting += bytes
  }

  /** Gives all that waits back to the device. */
  trim(): void {
    for (const addresses of this.#free.values())
      for (const address of addresses) this.#device.free(address)
    this.#free.clear()
    this.#bytesWaiting = 0
    this.#device.synchronize()
  }

  #allocate(bytes: number, toStay: boolean): number {
    const first = this.#device.allocate(bytes)
    if (first.status === 0) return first.address
    if (first.status === OUT_OF_MEMORY) this.trim()
    const second = first.status === OUT_OF_MEMORY ? this.#device.allocate(bytes) : first
    if (second.status === 0) return second.address
    const held = { inUse: this.#bytesInUse, staying: this.#bytesStaying }
    const failed = this.#device.failed(second.call, second.status)
    throw outOfMemory(failed, { asked: bytes, toStay, ...held })
  }
}
