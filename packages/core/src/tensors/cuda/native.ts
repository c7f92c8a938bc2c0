import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { SaddleError } from '../../errors.js'
import { withRoomyStacks } from '../stacks.js'
import { candidateFiles, type LibraryName } from './names.js'

/** An address on the device or of something opaque. koffi gives and takes it as a number: it has 47 bits. */
export type Address = number
export type HostArray = NodeJS.TypedArray

/** A C function that returns a status. */
type Call = (...args: (number | bigint | string | HostArray | null)[]) => number

/**
 * The driver's calls, by the names that Saddle uses. Handles and device addresses are 64-bit integers; outputs are
 * typed arrays of length one. The types are those of cuda.h, cublas_v2.h and nvrtc.h.
 */
const DRIVER = {
  cuInit: 'int cuInit(uint32_t)',
  cuDriverGetVersion: 'int cuDriverGetVersion(int *)',
  cuDeviceGetCount: 'int cuDeviceGetCount(int *)',
  cuDeviceGet: 'int cuDeviceGet(int *, int)',
  cuDeviceGetName: 'int cuDeviceGetName(uint8_t *, int, int)',
  cuDeviceGetUuid: 'int cuDeviceGetUuid(uint8_t *, int)',
  cuDeviceTotalMem: 'int cuDeviceTotalMem_v2(uint64_t *, int)',
  cuDeviceGetAttribute: 'int cuDeviceGetAttribute(int *, int, int)',
  cuDevicePrimaryCtxRetain: 'int cuDevicePrimaryCtxRetain(uint64_t *, int)',
  cuDevicePrimaryCtxRelease: 'int cuDevicePrimaryCtxRelease_v2(int)',
  cuCtxGetCurrent: 'int cuCtxGetCurrent(uint64_t *)',
  cuCtxSetCurrent: 'int cuCtxSetCurrent(uint64_t)',
  cuMemGetInfo: 'int cuMemGetInfo_v2(uint64_t *, uint64_t *)',
  cuMemAlloc: 'int cuMemAlloc_v2(uint64_t *, uint64_t)',
  cuMemFree: 'int cuMemFree_v2(uint64_t)',
  cuMemcpyHtoDAsync: 'int cuMemcpyHtoDAsync_v2(uint64_t, const void *, uint64_t, uint64_t)',
  cuMemcpyDtoHAsync: 'int cuMemcpyDtoHAsync_v2(void *, uint64_t, uint64_t, uint64_t)',
  cuStreamCreate: 'int cuStreamCreate(uint64_t *, uint32_t)',
  cuStreamDestroy: 'int cuStreamDestroy_v2(uint64_t)',
  cuStreamSynchronize: 'int cuStreamSynchronize(uint64_t)',
  cuModuleLoadData: 'int cuModuleLoadData(uint64_t *, const void *)',
  cuModuleUnload: 'int cuModuleUnload(uint64_t)',
  cuModuleGetFunction: 'int cuModuleGetFunction(uint64_t *, uint64_t, const char *)',
  cuLaunchKernel:
    'int cuLaunchKernel(uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint64_t, uint64_t, uint64_t)',
} as const

/** Calls of CUDA 11.2 and later: without them memory is taken and given by the synchronous ones. */
const ORDERED = {
  cuMemAllocAsync: 'int cuMemAllocAsync(uint64_t *, uint64_t, uint64_t)',
  cuMemFreeAsync: 'int cuMemFreeAsync(uint64_t, uint64_t)',
} as const

const CUBLAS = {
  cublasCreate: 'int cublasCreate_v2(uint64_t *)',
  cublasDestroy: 'int cublasDestroy_v2(uint64_t)',
  cublasSetStream: 'int cublasSetStream_v2(uint64_t, uint64_t)',
  cublasSetMathMode: 'int cublasSetMathMode(uint64_t, int)',
  cublasGetVersion: 'int cublasGetVersion_v2(uint64_t, int *)',
  cublasSgemm:
    'int cublasSgemm_v2(uint64_t, int, int, int, int, int, const float *, uint64_t, int, uint64_t, int, const float *, uint64_t, int)',
  cublasSgemmStridedBatched:
    'int cublasSgemmStridedBatched(uint64_t, int, int, int, int, int, const float *, uint64_t, int, int64_t, uint64_t, int, int64_t, const float *, uint64_t, int, int64_t, int)',
  cublasGemmEx:
    'int cublasGemmEx(uint64_t, int, int, int, int, int, const float *, uint64_t, int, int, uint64_t, int, int, const float *, uint64_t, int, int, int, int)',
  cublasGemmStridedBatchedEx:
    'int cublasGemmStridedBatchedEx(uint64_t, int, int, int, int, int, const float *, uint64_t, int, int, int64_t, uint64_t, int, int, int64_t, const float *, uint64_t, int, int, int64_t, int, int, int)',
} as const

const NVRTC = {
  nvrtcVersion: 'int nvrtcVersion(int *, int *)',
  nvrtcGetNumSupportedArchs: 'int nvrtcGetNumSupportedArchs(int *)',
  nvrtcGetSupportedArchs: 'int nvrtcGetSupportedArchs(int *)',
  nvrtcCreateProgram:
    'int nvrtcCreateProgram(uint64_t *, const char *, const char *, int, void *, void *)',
  nvrtcCompileProgram: 'int nvrtcCompileProgram(uint64_t, int, const char **)',
  nvrtcDestroyProgram: 'int nvrtcDestroyProgram(uint64_t *)',
  nvrtcGetProgramLogSize: 'int nvrtcGetProgramLogSize(uint64_t, uint64_t *)',
  nvrtcGetProgramLog: 'int nvrtcGetProgramLog(uint64_t, uint8_t *)',
  nvrtcGetCUBINSize: 'int nvrtcGetCUBINSize(uint64_t, uint64_t *)',
  nvrtcGetCUBIN: 'int nvrtcGetCUBIN(uint64_t, uint8_t *)',
  nvrtcGetPTXSize: 'int nvrtcGetPTXSize(uint64_t, uint64_t *)',
  nvrtcGetPTX: 'int nvrtcGetPTX(uint64_t, uint8_t *)',
} as const

export type DriverCalls = Record<keyof typeof DRIVER, Call> & {
  readonly errorName: (status: number) => string
}
type OrderedCalls = Record<keyof typeof ORDERED, Call>
type CublasCalls = Record<keyof typeof CUBLAS, Call>
/** nvrtcCompileProgram takes its options as an array of strings. */
export type NvrtcCalls = Record<Exclude<keyof typeof NVRTC, 'nvrtcCompileProgram'>, Call> & {
  readonly nvrtcCompileProgram: (
    program: number | bigint,
    count: number,
    options: readonly string[],
  ) => number
  readonly errorName: (status: number) => string
}

/** Native memory of this thread whose address native code is told. */
interface NativeBuffer {
  readonly address: bigint
  readonly view: DataView
}

/** All of CUDA that the backend calls. Files are the names or paths by which the libraries were opened. */
export interface Cuda {
  readonly driver: DriverCalls
  readonly ordered: OrderedCalls | null
  readonly cublas: CublasCalls
  readonly nvrtc: NvrtcCalls
  readonly files: Readonly<Record<LibraryName, string>>
  /** Memory that lives as long as the thread. */
  allocateNative(bytes: number): NativeBuffer
}

type Koffi = typeof import('koffi')['default']
type Library = ReturnType<Koffi['load']>

let opened: Cuda | undefined

/** Opens the driver, cuBLAS and NVRTC, once a thread. @throws SaddleError BACKEND: what is missing, what was tried. */
export async function openCuda(): Promise<Cuda> {
  if (opened !== undefined) return opened
  const { default: koffi } = await import('koffi')
  withRoomyStacks(koffi)
  const driver = openLibrary(koffi, 'cuda')
  const cublas = openLibrary(koffi, 'cublas')
  const nvrtc = openLibrary(koffi, 'nvrtc')
  const cuGetErrorName = find(driver, 'int cuGetErrorName(int, uint64_t *)')
  const cstring = (address: bigint) => koffi.decode(address, 'char', -1) as string
  const name = new BigUint64Array(1)
  opened = {
    driver: {
      ...bind(driver, DRIVER),
      errorName: status =>
        cuGetErrorName(status, name) === 0 && name[0] !== 0n
          ? cstring(name[0]!)
          : `CUresult ${status}`,
    },
    ordered: orderedCalls(driver),
    cublas: bind(cublas, CUBLAS),
    nvrtc: {
      ...bind(nvrtc, NVRTC),
      errorName: find(nvrtc, 'const char *nvrtcGetErrorString(int)') as unknown as (
        status: number,
      ) => string,
    } as unknown as NvrtcCalls,
    files: { cuda: driver.file, cublas: cublas.file, nvrtc: nvrtc.file },
    allocateNative(bytes) {
      const memory = koffi.alloc('uint8_t', bytes)
      return { address: koffi.address(memory), view: new DataView(koffi.view(memory, bytes)) }
    },
  }
  return opened
}

interface OpenedLibrary {
  readonly library: Library
  readonly file: string
}

function openLibrary(koffi: Koffi, name: LibraryName): OpenedLibrary {
  const tried: string[] = []
  for (const file of candidateFiles(name, process.env.SADDLE_CUDA_LIBRARIES, process.platform)) {
    try {
      if (name === 'cublas') openBeside(koffi, file)
      return { library: koffi.load(file), file }
    } catch (error) {
      tried.push(`${file}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const names = tried.map(text => text.split(':')[0]).join(', ')
  throw new SaddleError('BACKEND', `no ${WHAT[name]} was found under the names ${names}`, { tried })
}

const WHAT: Record<LibraryName, string> = {
  cuda: "driver library of an NVIDIA GPU (it comes with the GPU's driver)",
  cublas: 'cuBLAS (of a CUDA toolkit, or of the PyPI package nvidia-cublas)',
  nvrtc: 'NVRTC (of a CUDA toolkit, or of the PyPI package nvidia-cuda-nvrtc)',
}

/** cuBLAS needs its sister library, which the loader finds by itself only in the system's folders. */
function openBeside(koffi: Koffi, file: string): void {
  const sister = join(dirname(file), basename(file).replace(/cublas/, 'cublasLt'))
  if (dirname(file) !== '.' && existsSync(sister)) koffi.load(sister)
}

function find({ library, file }: OpenedLibrary, definition: string): Call {
  try {
    return library.func(definition) as unknown as Call
  } catch (error) {
    const symbol = /(\w+)\(/.exec(definition)?.[1]
    throw new SaddleError(
      'BACKEND',
      `${file} has no function ${symbol}: it is older than CUDA 11.2, or not NVIDIA's library`,
      { file, symbol, cause: String(error) },
    )
  }
}

function bind<N extends string>(
  library: OpenedLibrary,
  definitions: Readonly<Record<N, string>>,
): Record<N, Call> {
  const calls = Object.entries<string>(definitions).map(([name, definition]) => [
    name,
    find(library, definition),
  ])
  return Object.fromEntries(calls) as Record<N, Call>
}

function orderedCalls(driver: OpenedLibrary): OrderedCalls | null {
  try {
    return bind(driver, ORDERED)
  } catch {
    return null
  }
}
