import { delimiter, join } from 'node:path'

/** The three libraries: the driver's, which comes with the GPU, and two of the toolkit. */
export type LibraryName = 'cuda' | 'cublas' | 'nvrtc'

/** Versions of the toolkit whose libraries are tried, newest first. */
const MAJORS = [13, 12, 11]

const FILES: Record<'linux' | 'win32', Record<LibraryName, readonly string[]>> = {
  linux: {
    cuda: ['libcuda.so.1', 'libcuda.so'],
    cublas: [...MAJORS.map(major => `libcublas.so.${major}`), 'libcublas.so'],
    nvrtc: ['libnvrtc.so.13', 'libnvrtc.so.12', 'libnvrtc.so.11.2', 'libnvrtc.so'],
  },
  win32: {
    cuda: ['nvcuda.dll'],
    cublas: MAJORS.map(major => `cublas64_${major}.dll`),
    nvrtc: ['nvrtc64_130_0.dll', 'nvrtc64_120_0.dll', 'nvrtc64_112_0.dll'],
  },
}

/** Where toolkits put their libraries when the loader is not told. */
const FOLDERS: Record<'linux' | 'win32', readonly string[]> = {
  linux: ['', '/usr/local/cuda/lib64', '/opt/cuda/lib64'],
  win32: [''],
}

/**
 * Files to try for a library, in order: by name, as the loader finds them, then in a toolkit's usual folder. Where the
 * environment variable SADDLE_CUDA_LIBRARIES names folders (as PATH does), those are looked in first, and for cuBLAS and
 * NVRTC nowhere else: the driver's library is the system's.
 */
export function candidateFiles(
  library: LibraryName,
  named: string | undefined,
  platform: NodeJS.Platform,
): readonly string[] {
  const system = platform === 'win32' ? 'win32' : 'linux'
  const folders = named === undefined || named === '' ? [] : named.split(delimiter)
  const usual = folders.length === 0 || library === 'cuda' ? FOLDERS[system] : []
  return [...folders, ...usual].flatMap(folder =>
    FILES[system][library].map(file => (folder === '' ? file : join(folder, file))),
  )
}
