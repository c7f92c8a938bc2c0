/** A C function as koffi gives it. */
export type NativeCall = (...args: (number | Uint8Array)[]) => unknown
type Find = (definition: string) => NativeCall

/** What Saddle knows of one implementation of CBLAS. */
export interface Vendor {
  readonly name: string
  /** A function that only this library has. */
  readonly signature: string
  /** Makes its products run on the calling thread, by the library's own call. Throws if it can't. */
  useOneThread(find: Find): void
  version(find: Find): string
}

export const vendors: readonly Vendor[] = [
  {
    name: 'OpenBLAS',
    signature: 'void openblas_set_num_threads(int)',
    useOneThread: find => find('void openblas_set_num_threads(int)')(1),
    version: find =>
      `${find('const char *openblas_get_config()')()}, running ${find('const char *openblas_get_corename()')()}`,
  },
  {
    name: 'MKL',
    signature: 'int MKL_Set_Num_Threads_Local(int)',
    useOneThread(find) {
      // Without a fixed branch MKL's bits may change with the alignment of its operands.
      const automatic = 2
      find('int MKL_CBWR_Set(int)')(automatic)
      find('int MKL_Set_Num_Threads_Local(int)')(1)
    },
    version(find) {
      const text = new Uint8Array(200)
      find('void MKL_Get_Version_String(_Out_ uint8_t *, int)')(text, text.length)
      return Buffer.from(text).toString('latin1').split('\0')[0]!.trim()
    },
  },
  {
    name: 'BLIS',
    signature: 'void bli_thread_set_num_threads(int64_t)',
    useOneThread: find => find('void bli_thread_set_num_threads(int64_t)')(1),
    version: find => String(find('const char *bli_info_get_version_str()')()),
  },
  {
    name: 'NVPL',
    signature: 'int nvpl_blas_set_num_threads_local(int)',
    useOneThread: find => find('int nvpl_blas_set_num_threads_local(int)')(1),
    version: find => String(find('int nvpl_blas_get_version()')()),
  },
  {
    name: 'Accelerate',
    signature: 'int BLASSetThreading(unsigned int)',
    useOneThread(find) {
      const singleThreaded = 1
      if (find('int BLASSetThreading(unsigned int)')(singleThreaded) !== 0)
        throw new Error('BLASSetThreading failed')
    },
    version: () => 'of this macOS',
  },
]

/** Files to try, in order: what SADDLE_BLAS names and nothing else, or the usual names on this platform. */
export function candidates(
  named: string | undefined,
  platform: NodeJS.Platform,
): readonly string[] {
  if (named !== undefined && named !== '') return [named]
  return USUAL[platform] ?? USUAL.linux!
}

const USUAL: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: [
    'libopenblas.so.0',
    'libopenblas.so',
    'libopenblasp.so.0',
    'libmkl_rt.so.3',
    'libmkl_rt.so.2',
    'libmkl_rt.so.1',
    'libmkl_rt.so',
    'libblis.so.4',
    'libblis.so.3',
    'libblis.so',
    'libnvpl_blas_lp64_gomp.so.0',
  ],
  darwin: [
    '/System/Library/Frameworks/Accelerate.framework/Accelerate',
    '/opt/homebrew/opt/openblas/lib/libopenblas.dylib',
    '/usr/local/opt/openblas/lib/libopenblas.dylib',
    'libmkl_rt.2.dylib',
  ],
  win32: ['libopenblas.dll', 'openblas.dll', 'mkl_rt.2.dll'],
}
