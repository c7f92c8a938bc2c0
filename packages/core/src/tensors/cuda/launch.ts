import { type Argument, MAX_RANK } from './arguments.js'
import type { Compiler } from './compiler.js'
import type { Device } from './device.js'
import type { Program } from './program.js'

/** Threads of a block, and blocks for each multiprocessor: every kernel is a loop over the grid. */
const THREADS = 256
const BLOCKS_PER_MULTIPROCESSOR = 32
/** Room for the arguments of one launch: a kernel takes 4 KiB at most. */
const ARGUMENT_BYTES = 4096
const MAX_ARGUMENTS = 16

/** Starts kernels of compiled programs on a device, each program compiled at its first use. */
export class Launcher {
  readonly #device: Device
  readonly #compiler: Compiler
  readonly #modules = new Map<Program, number>()
  readonly #functions = new Map<string, number>()
  /** The arguments one after the other, and a pointer to each. */
  readonly #values
  readonly #pointers

  constructor(device: Device, compiler: Compiler) {
    this.#device = device
    this.#compiler = compiler
    this.#values = device.cuda.allocateNative(ARGUMENT_BYTES)
    this.#pointers = device.cuda.allocateNative(8 * MAX_ARGUMENTS)
  }

  /** Runs a kernel of a program on `count` elements. Returns before it has run. */
  launch(program: Program, kernel: string, count: number, args: readonly Argument[]): void {
    if (count === 0) return
    const entry = this.#functions.get(kernel) ?? this.#find(program, kernel)
    this.#pack(args)
    const most = this.#device.info.multiprocessors * BLOCKS_PER_MULTIPROCESSOR
    const blocks = Math.min(Math.ceil(count / THREADS), most)
    const { stream, cuda } = this.#device
    const pointers = Number(this.#pointers.address)
    const status = cuda.driver.cuLaunchKernel(
      entry,
      blocks,
      1,
      1,
      THREADS,
      1,
      1,
      0,
      stream,
      pointers,
      0,
    )
    this.#device.check(`cuLaunchKernel(${kernel})`, status)
  }

  close(): void {
    const { driver } = this.#device.cuda
    for (const module of this.#modules.values()) {
      this.#device.given('module', module)
      this.#device.check('cuModuleUnload', driver.cuModuleUnload(module))
    }
    this.#modules.clear()
    this.#functions.clear()
  }

  #find(program: Program, kernel: string): number {
    const module = this.#modules.get(program) ?? this.#load(program)
    const out = new BigUint64Array(1)
    const status = this.#device.cuda.driver.cuModuleGetFunction(out, module, kernel)
    this.#device.check(`cuModuleGetFunction(${kernel})`, status)
    this.#functions.set(kernel, Number(out[0]))
    return Number(out[0])
  }

  #load(program: Program): number {
    const module = this.#compiler.load(program.name, program.source)
    this.#modules.set(program, module)
    this.#device.hold('module', module)
    return module
  }

  #pack(args: readonly Argument[]): void {
    let offset = 0
    args.forEach((argument, index) => {
      const at = this.#values.address + BigInt(offset)
      this.#pointers.view.setBigUint64(8 * index, at, true)
      offset += write(this.#values.view, offset, argument)
    })
  }
}

/** Writes an argument as a kernel reads it; returns its bytes. */
function write(view: DataView, at: number, argument: Argument): number {
  if (argument.kind === 'float') {
    view.setFloat32(at, argument.value, true)
    return 8
  }
  if (argument.kind === 'double') {
    view.setFloat64(at, argument.value, true)
    return 8
  }
  if (argument.kind !== 'dims') {
    view.setBigInt64(at, BigInt(argument.value), true)
    return 8
  }
  const { lengths, a, b } = argument
  view.setBigInt64(at, BigInt(lengths.length), true)
  ;[lengths, a, b].forEach((numbers, part) => {
    numbers.forEach((number, d) => {
      view.setBigInt64(at + 8 * (1 + part * MAX_RANK + d), BigInt(number), true)
    })
  })
  return 8 * (1 + 3 * MAX_RANK)
}
