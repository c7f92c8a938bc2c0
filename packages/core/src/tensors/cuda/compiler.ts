import { SaddleError } from '../../errors.js'
import { type ProgramCache, programKey } from './cache.js'
import type { Device } from './device.js'
import type { NvrtcCalls } from './native.js'

/** What NVRTC is asked to compile for. */
interface Target {
  /** `sm_90`: machine code for this device; `compute_90`: PTX, which the driver translates. */
  readonly architecture: string
  readonly form: 'cubin' | 'ptx'
}

/**
 * Machine code where the compiler knows the device; PTX of the newest architecture that it knows and the device still
 * runs where the device is newer than the compiler.
 *
 * @throws SaddleError BACKEND if the device is older than all that the compiler knows.
 */
function targetFor(capability: number, supported: readonly number[]): Target {
  if (supported.includes(capability)) return { architecture: `sm_${capability}`, form: 'cubin' }
  const older = supported.filter(known => known < capability)
  if (older.length === 0)
    throw new SaddleError(
      'BACKEND',
      `cuda: this NVRTC compiles for compute capability ${Math.min(...supported) / 10} and later; the device has ` +
        `${capability / 10}. An older CUDA toolkit is needed (SADDLE_CUDA_LIBRARIES names its folder).`,
      { capability, supported },
    )
  return { architecture: `compute_${Math.max(...older)}`, form: 'ptx' }
}

/** Products and sums are rounded one by one, as on the host: what a sweep over memory waits for is not arithmetic. */
const EXACT = '--fmad=false'

/** Compiles CUDA C for one device; what was compiled once is found on disk the next time. */
export class Compiler {
  readonly #device: Device
  readonly #nvrtc: NvrtcCalls
  readonly #cache: ProgramCache
  readonly #target: Target
  readonly #version: string

  constructor(device: Device, cache: ProgramCache) {
    this.#device = device
    this.#nvrtc = device.cuda.nvrtc
    this.#cache = cache
    const [first, second] = [new Int32Array(1), new Int32Array(1)]
    this.#check('nvrtcVersion', this.#nvrtc.nvrtcVersion(first, second))
    this.#version = `${first[0]}.${second[0]}`
    this.#check('nvrtcGetNumSupportedArchs', this.#nvrtc.nvrtcGetNumSupportedArchs(first))
    const supported = new Int32Array(first[0]!)
    this.#check('nvrtcGetSupportedArchs', this.#nvrtc.nvrtcGetSupportedArchs(supported))
    const capability = Number(device.info.computeCapability.replace('.', ''))
    this.#target = targetFor(capability, [...supported])
  }

  /** The version of NVRTC, for people. */
  get version(): string {
    return this.#version
  }

  /** The module of `source`, loaded on the device. @throws SaddleError BACKEND with the compiler's log. */
  load(name: string, source: string): number {
    const { architecture } = this.#target
    const key = programKey([
      source,
      architecture,
      EXACT,
      this.#version,
      this.#device.cuda.files.nvrtc,
    ])
    const program = this.#cache.read(key) ?? this.#compiled(name, source, key)
    const out = new BigUint64Array(1)
    this.#device.check('cuModuleLoadData', this.#device.cuda.driver.cuModuleLoadData(out, program))
    return Number(out[0])
  }

  #compiled(name: string, source: string, key: string): Uint8Array {
    const program = this.#compile(name, source)
    this.#cache.write(key, program)
    return program
  }

  #compile(name: string, source: string): Uint8Array {
    const nvrtc = this.#nvrtc
    const handle = new BigUint64Array(1)
    const created = nvrtc.nvrtcCreateProgram(handle, source, `${name}.cu`, 0, null, null)
    this.#check('nvrtcCreateProgram', created)
    try {
      const program = handle[0]!
      const options = [`--gpu-architecture=${this.#target.architecture}`, EXACT]
      const status = nvrtc.nvrtcCompileProgram(program, options.length, options)
      if (status !== 0) this.#check(`nvrtcCompileProgram(${name}.cu)`, status, this.#log(program))
      return this.#result(program)
    } finally {
      nvrtc.nvrtcDestroyProgram(handle)
    }
  }

  #result(program: bigint): Uint8Array {
    const nvrtc = this.#nvrtc
    const call = this.#target.form === 'cubin' ? 'nvrtcGetCUBIN' : 'nvrtcGetPTX'
    const size = new BigUint64Array(1)
    this.#check(`${call}Size`, nvrtc[`${call}Size`](program, size))
    const bytes = new Uint8Array(Number(size[0]))
    this.#check(call, nvrtc[call](program, bytes))
    return bytes
  }

  #log(program: bigint): string {
    const size = new BigUint64Array(1)
    if (this.#nvrtc.nvrtcGetProgramLogSize(program, size) !== 0) return ''
    const bytes = new Uint8Array(Number(size[0]))
    this.#nvrtc.nvrtcGetProgramLog(program, bytes)
    return Buffer.from(bytes).toString('utf8').split('\0')[0]!
  }

  #check(call: string, status: number, log = ''): void {
    if (status === 0) return
    const error = this.#nvrtc.errorName(status)
    throw new SaddleError('BACKEND', `cuda: ${call} failed with ${error}. ${log}`.trim(), {
      call,
      status,
      error,
      log,
    })
  }
}
