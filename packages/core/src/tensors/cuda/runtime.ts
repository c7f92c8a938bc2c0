import { type Argument, integer } from './arguments.js'
import { diskCache, type ProgramCache } from './cache.js'
import { Compiler } from './compiler.js'
import { Device } from './device.js'
import { Launcher } from './launch.js'
import { DeviceMemory } from './memory.js'
import type { Cuda } from './native.js'
import { Products } from './products.js'
import type { Program } from './program.js'

/** Everything that computes on one device for one thread. */
export class Runtime {
  readonly device: Device
  readonly memory: DeviceMemory
  readonly products: Products
  readonly #compiler: Compiler
  readonly #launcher: Launcher

  /** @throws SaddleError BACKEND if there is no such device, or a library fails. */
  constructor(cuda: Cuda, ordinal: number, cache: ProgramCache = diskCache()) {
    this.device = new Device(cuda, ordinal)
    this.#compiler = new Compiler(this.device, cache)
    this.#launcher = new Launcher(this.device, this.#compiler)
    this.products = new Products(this.device)
    this.memory = new DeviceMemory(this.device)
  }

  launch(program: Program, kernel: string, count: number, args: readonly Argument[]): void {
    this.#launcher.launch(program, kernel, count, [integer(count), ...args])
  }

  /** Device, memory, compute capability, driver and libraries, for people. */
  describe(): string {
    const { ordinal, name, memoryBytes, computeCapability, driver } = this.device.info
    const gigabytes = (memoryBytes / 2 ** 30).toFixed(1)
    return (
      `${name} (cuda:${ordinal}, ${gigabytes} GiB, compute capability ${computeCapability}), driver for ${driver}, ` +
      `cuBLAS ${this.products.version}, NVRTC ${this.#compiler.version}`
    )
  }

  /** Gives everything back. Tensors must not be used after it. */
  close(): void {
    this.memory.trim()
    this.#launcher.close()
    this.products.close()
    this.device.close()
  }
}
