import { SaddleError, withRoomyStacks } from '@saddle/core'
import { type Abi, abis, type Handle, type MpiFamily } from './abi.js'

/** A C function as koffi gives it: called at once, or on a thread of libuv's pool. */
interface NativeCall {
  (...args: unknown[]): unknown
  async(...args: unknown[]): void
}

/** An MPI library in this process, before MPI_Init. */
export interface MpiLibrary {
  readonly family: MpiFamily
  /** The first line of MPI_Get_library_version. */
  readonly version: string
  /** The name or path by which it was opened. */
  readonly file: string
  readonly abi: Abi
  /** Calls that end at once, in this thread. @throws SaddleError COLLECTIVE unless they return MPI_SUCCESS. */
  call(name: MpiFunction, ...args: unknown[]): void
  /** Calls that wait for other ranks, on another thread. The caller keeps the arrays alive. */
  callAsync(name: MpiFunction, ...args: unknown[]): Promise<void>
}

/** `H` is a handle, `H*` and `int*` are filled in, `buffer` is an address. */
const SIGNATURES = {
  MPI_Init_thread: ['buffer', 'buffer', 'int', 'int*'],
  MPI_Comm_set_errhandler: ['H', 'H'],
  MPI_Comm_rank: ['H', 'int*'],
  MPI_Comm_size: ['H', 'int*'],
  MPI_Comm_split_type: ['H', 'int', 'int', 'H', 'H*'],
  MPI_Comm_free: ['H*'],
  MPI_Allreduce: ['buffer', 'buffer', 'int', 'H', 'H', 'H'],
  MPI_Bcast: ['buffer', 'int', 'H', 'int', 'H'],
  MPI_Allgatherv: ['buffer', 'int', 'H', 'buffer', 'buffer', 'buffer', 'H', 'H'],
  MPI_Alltoallv: ['buffer', 'buffer', 'buffer', 'H', 'buffer', 'buffer', 'buffer', 'H', 'H'],
  MPI_Barrier: ['H'],
  MPI_Abort: ['H', 'int'],
  MPI_Finalize: [],
  MPI_Error_string: ['int', 'buffer', 'int*'],
  MPI_Get_library_version: ['buffer', 'int*'],
} as const satisfies Record<string, readonly ('H' | 'H*' | 'int' | 'int*' | 'buffer')[]>

type MpiFunction = keyof typeof SIGNATURES

/**
 * Opens the library of a family, by the names that it has on Linux and macOS, or the file that the environment
 * variable SADDLE_MPI names.
 *
 * @throws SaddleError COLLECTIVE if there is none, or it is another family's.
 */
export async function openMpi(family: MpiFamily): Promise<MpiLibrary> {
  // UCX, which MPICH uses and Open MPI on InfiniBand: leave the process's memory calls and SIGSEGV alone. With the
  // first V8 crashed now and then; the second killed the process where WebAssembly traps.
  process.env.UCX_MEM_EVENTS ??= 'n'
  process.env.UCX_HANDLE_ERRORS ??= 'none'
  // Open MPI polls while it waits. Where cores are busy that keeps the awaited rank off its core for whole time slices:
  // a sum of 1 KiB took milliseconds, and a tenth of one with this. mpirun sets it only when it knows of it.
  process.env.OMPI_MCA_mpi_yield_when_idle ??= '1'
  // For the case that libuv's pool has not begun yet, and for processes that this one starts.
  process.env.UV_THREADPOOL_SIZE ??= '8'
  const { default: koffi } = await import('koffi')
  if (!withRoomyStacks(koffi))
    throw new SaddleError(
      'COLLECTIVE',
      'MPI needs larger stacks for native calls than this thread was set up with. Open the collective before other ' +
        'code of this process loads a library through koffi.',
      { stack: koffi.config().async_stack_size },
    )
  const given = process.env.SADDLE_MPI
  const names = given === undefined ? abis[family].files(process.platform) : [given]
  const tried: string[] = []
  for (const file of names) {
    try {
      // Global: its plugins are libraries too, and look for its symbols.
      const library = koffi.load(file, { lazy: true, global: true })
      return bind(koffi, library, family, file)
    } catch (error) {
      if (error instanceof SaddleError) throw error
      tried.push(`${file}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new SaddleError(
    'COLLECTIVE',
    `${abis[family].title} could not be opened: ${tried.join('; ')}. Install it (on Debian: ${abis[family].debian}), ` +
      'or name its library in the environment variable SADDLE_MPI.',
    { family, tried },
  )
}

type Koffi = typeof import('koffi')['default']
type LibraryHandle = ReturnType<Koffi['load']>

function bind(koffi: Koffi, library: LibraryHandle, family: MpiFamily, file: string): MpiLibrary {
  const { handle } = abis[family]
  const types = {
    H: handle,
    'H*': koffi.inout(koffi.pointer(handle)),
    int: 'int',
    'int*': koffi.out(koffi.pointer('int')),
    buffer: 'void*',
  }
  const functions = Object.fromEntries(
    Object.entries(SIGNATURES).map(([name, parameters]) => [
      name,
      library.func(
        name,
        'int',
        parameters.map(p => types[p]),
      ) as NativeCall,
    ]),
  ) as Record<MpiFunction, NativeCall>
  const text = (name: MpiFunction, ...args: unknown[]): string => {
    // MPI_MAX_LIBRARY_VERSION_STRING, the longest there is.
    const bytes = Buffer.alloc(8192)
    const length = [0]
    functions[name](...args, bytes, length)
    return bytes.toString('utf8', 0, length[0]).split('\n')[0]!
  }
  const version = text('MPI_Get_library_version')
    .replace(/\s+/g, ' ')
    .replace(/,.*| Version:/g, '')
    .trim()
  if (!abis[family].signature.test(version))
    throw new SaddleError(
      'COLLECTIVE',
      `Expected the library of ${abis[family].title}, got "${version}" from ${file}.`,
      { family, version, file },
    )
  const succeed = (name: MpiFunction, code: number): void => {
    if (code === 0) return
    const reason = text('MPI_Error_string', code)
    throw new SaddleError(
      'COLLECTIVE',
      `${name} of ${version} failed: ${reason}. The ranks no longer agree on what comes next: end the job.`,
      { function: name, code, reason },
    )
  }
  return {
    family,
    version,
    file,
    abi: abis[family].open(symbol => library.symbol(symbol) as Handle),
    call: (name, ...args) => succeed(name, functions[name](...args) as number),
    callAsync: (name, ...args) =>
      new Promise((resolve, reject) => {
        functions[name].async(...args, (error: unknown, code: number) => {
          try {
            if (error) throw error
            succeed(name, code)
            resolve()
          } catch (failure) {
            reject(failure)
          }
        })
      }),
  }
}
