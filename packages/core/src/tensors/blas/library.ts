import { SaddleError } from '../../errors.js'
import { withRoomyStacks } from '../stacks.js'
import { candidates, type NativeCall, type Vendor, vendors } from './vendors.js'

/**
 * cblas_sgemm and cblas_saxpy of the system, for one thread:
 *
 *   C ← op(A) op(B),   y ← y + α x,   row-major float32, op(X) = X or Xᵀ
 *
 * The library is found by name, or by the file that the environment variable SADDLE_BLAS names. Inside a worker it
 * computes on one thread: a BLAS may change the last bits of a product with its thread count, and a run's bits must
 * not depend on how many workers there are.
 */
export interface BlasLibrary {
  /** OpenBLAS, MKL, BLIS, NVPL or Accelerate. */
  readonly vendor: string
  /** What the library says of itself: its version, and the kernels it chose for this processor. */
  readonly version: string
  /** The name or path by which it was opened. */
  readonly file: string
  /** cblas_sgemm itself, unchecked: `gemm` checks. About 0.2 µs a call. */
  readonly sgemm: Sgemm
  /** cblas_saxpy itself, unchecked. */
  readonly saxpy: Saxpy
}

/** cblas_sgemm(order, opA, opB, m, n, k, α, A, lda, B, ldb, β, C, ldc). */
export type Sgemm = (
  order: number,
  transposeA: number,
  transposeB: number,
  m: number,
  n: number,
  k: number,
  alpha: number,
  a: Float32Array,
  lda: number,
  b: Float32Array,
  ldb: number,
  beta: number,
  c: Float32Array,
  ldc: number,
) => void

/** cblas_saxpy(n, α, x, incx, y, incy): y ← y + α x. */
type Saxpy = (
  n: number,
  alpha: number,
  x: Float32Array,
  incx: number,
  y: Float32Array,
  incy: number,
) => void

const SGEMM =
  'void cblas_sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int)'
const SAXPY = 'void cblas_saxpy(int, float, const float *, int, float *, int)'

let opened: BlasLibrary | undefined

/**
 * Opens the first BLAS that can be found, once a thread.
 *
 * @throws SaddleError BACKEND if there is none, or none that can be held to one thread; the message lists what was
 * tried and what became of it.
 */
export async function openBlas(): Promise<BlasLibrary> {
  if (opened !== undefined) return opened
  const { default: koffi } = await import('koffi')
  withRoomyStacks(koffi)
  const tried: string[] = []
  for (const file of candidates(process.env.SADDLE_BLAS, process.platform)) {
    try {
      const library = koffi.load(file, { lazy: true })
      opened = open(file, definition => library.func(definition))
      return opened
    } catch (error) {
      tried.push(`${file}: ${reason(error)}`)
    }
  }
  throw new SaddleError(
    'BACKEND',
    process.env.SADDLE_BLAS === undefined
      ? `no BLAS was found under the names ${tried.map(t => t.split(':')[0]).join(', ')}`
      : `SADDLE_BLAS names a file that can't be used: ${tried.join('; ')}`,
    { tried },
  )
}

function open(file: string, find: (definition: string) => NativeCall): BlasLibrary {
  const sgemm = find(SGEMM) as unknown as Sgemm
  const saxpy = find(SAXPY) as unknown as Saxpy
  const vendor = vendors.find(v => has(find, v.signature))
  if (vendor === undefined)
    throw new Error('it is none of the libraries whose thread count Saddle knows how to set')
  vendor.useOneThread(find)
  checkProduct(sgemm)
  return { vendor: vendor.name, version: versionOf(vendor, find), file, sgemm, saxpy }
}

function has(find: (definition: string) => unknown, signature: string): boolean {
  try {
    find(signature)
    return true
  } catch {
    return false
  }
}

function versionOf(vendor: Vendor, find: (definition: string) => NativeCall): string {
  try {
    return vendor.version(find)
  } catch {
    return 'of unknown version'
  }
}

/** [1 2; 3 4] [5 6; 7 8]: a library whose integers have 64 bits, or whose symbols mean something else, shows here. */
function checkProduct(sgemm: Sgemm): void {
  const [a, b] = [Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8)]
  const c = new Float32Array(4)
  sgemm(101, 111, 111, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2)
  if (c.join() !== '19,22,43,50') throw new Error(`its cblas_sgemm computed [${c.join(', ')}]`)
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
