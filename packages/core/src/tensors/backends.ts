import * as tf from '@tensorflow/tfjs-core'
import type { DeviceUpdate, UpdatedMatrix } from '../descent/device-update.js'
import { SaddleError } from '../errors.js'
import type { ArrayAlgebra } from './algebra.js'
import type { RegisteredCuda } from './cuda/backend.js'
import { shareLedger } from './cuda/ledger.js'
import { reclaimThread } from './cuda/reclaim.js'
import type { FusedKernels } from './fused.js'
import type { Precision } from './precision.js'
import { findTensorFlow } from './tensorflow/find.js'
import { loadTensorFlow, tensorFlowDevices, tensorFlowFound } from './tensorflow/load.js'

/** What computes in this thread. One entry a backend; the registry is the only place that knows their names. */
export interface Backend {
  /** Name in configurations and of the TensorFlow.js backend. */
  readonly name: string
  readonly description: string
  /** What must be installed for it to load, for people. */
  readonly needs: string
  /** Where one device of it may live: `thread`, in any worker thread; `process`, in a child process of its own. */
  readonly lives: 'thread' | 'process'
  /** True if it computes on typed arrays over SharedArrayBuffer in place, without a copy. */
  readonly sharesMemory: boolean
  /** True if its products take a transposed operand as it lies, at no cost; elsewhere the small one is transposed. */
  readonly takesTransposed?: boolean
  /** Products on arrays in place, once it has loaded, where it offers them besides tensors. */
  algebra?(): ArrayAlgebra | null
  /** Kernels for what passes and attacks do between products, once it has loaded, where it has them. */
  fused?(): FusedKernels
  /** Place in the order that `auto` tries: smaller first; null if `auto` never takes it. */
  readonly preference: number | null
  /** `withPrecision`, for backends whose devices have other precisions than float32 (`DeviceInfo.precisions`). */
  withPrecision?<T>(precision: Precision, work: () => T): T
  /** Takes the update of a matrix over to this thread's device, from the host's D on, for backends that can. */
  openUpdate?(matrix: UpdatedMatrix): DeviceUpdate
  /** True if matrices in host memory are copied to a memory of its own, to be kept there until they change. */
  readonly keepsMatrices?: boolean
  /**
   * Registers the backend with TensorFlow.js. Throws, with the reason, if it can't run here.
   *
   * @param ordinal which of its devices computes in this thread, for backends that list them. Default: its first.
   */
  load(ordinal?: number): Promise<void>
  /** The devices that it sees, once it has loaded, where it has devices of its own to choose from. */
  devices?(): readonly DeviceInfo[]
  /** For a thread whose worker threads will use the backend: to be called before they start, loaded here or not. */
  keepAccount?(): void
  /** Gives back what a worker thread that has ended held on devices. What this thread computes on does not matter. */
  reclaim?(threadId: number): Promise<void>
  /** What it computes with, once it has loaded: for people, where that is not the same on every machine. */
  found?(): string | null
}

/** One thing that a backend can compute on. */
export interface DeviceInfo {
  /** Its number among the backend's devices, from 0: what `load` takes. */
  readonly ordinal: number
  readonly name: string
  readonly memoryBytes: number | null
  /** Of an NVIDIA card: the same in every process, whatever its number there. */
  readonly uuid?: string
  /** Of an NVIDIA card, such as 9.0. */
  readonly computeCapability?: string
  /** Version of its driver. */
  readonly driver?: string
  /** What its products can round their operands to; left out: float32 only. */
  readonly precisions?: readonly Precision[]
}

/** The outcome of `useBackend`: what computes, and why the others were not taken. */
export interface BackendChoice {
  readonly backend: Backend
  readonly passedOver: readonly { readonly name: string; readonly reason: string }[]
}

const registry = new Map<string, Backend>()
let active: Backend | undefined

/** Adds a backend, or replaces the one of the same name. */
export function registerBackend(backend: Backend): void {
  registry.set(backend.name, backend)
}

/** All registered backends in the order in which `auto` prefers them; those it never takes come last. */
export function listBackends(): Backend[] {
  const rank = (b: Backend) => b.preference ?? Number.POSITIVE_INFINITY
  return [...registry.values()].sort((a, b) => rank(a) - rank(b))
}

/**
 * Makes `name` compute in this thread; `auto` takes the first of the preferred backends that loads, of those that
 * may live in a thread.
 *
 * @param ordinal the device that it computes on, of those that `Backend.devices` lists; left out, its first. Backends without
 * devices to choose from take any.
 * @throws SaddleError BACKEND if the name is unknown or nothing loads; the message says what each one needs.
 */
export async function useBackend(name: string, ordinal?: number): Promise<BackendChoice> {
  const candidates =
    name === 'auto'
      ? listBackends().filter(b => b.preference !== null && b.lives === 'thread')
      : [requireBackend(name)]
  const passedOver: { name: string; reason: string }[] = []
  for (const backend of candidates) {
    try {
      await backend.load(ordinal)
      if (!(await tf.setBackend(backend.name))) throw new Error('TensorFlow.js refused it')
      await tf.ready()
      active = backend
      return { backend, passedOver }
    } catch (error) {
      passedOver.push({
        name: backend.name,
        reason: `${error instanceof Error ? error.message : String(error)} (needs ${backend.needs})`,
      })
    }
  }
  const reasons = passedOver.map(p => `${p.name}: ${p.reason}`).join('; ')
  throw new SaddleError('BACKEND', `No backend could be used. ${reasons}.`, { passedOver })
}

/** The backend that computes in this thread. Throws BACKEND before `useBackend`. */
export function currentBackend(): Backend {
  if (active === undefined)
    throw new SaddleError(
      'BACKEND',
      "No backend computes in this thread yet. Call `await useBackend('auto')` first.",
    )
  return active
}

/** The backend of that name. @throws SaddleError BACKEND if there is none. */
export function requireBackend(name: string): Backend {
  const backend = registry.get(name)
  if (backend !== undefined) return backend
  const known = ['auto', ...listBackends().map(b => b.name)].join(', ')
  throw new SaddleError('BACKEND', `Unknown backend "${name}"; expected one of ${known}.`, { name })
}

let cuda:
  | (RegisteredCuda & Required<Pick<Backend, 'withPrecision' | 'openUpdate' | 'fused'>>)
  | null = null

registerBackend({
  name: 'cuda',
  description: 'an NVIDIA GPU, by its driver, cuBLAS and NVRTC: one device a worker',
  needs:
    "an NVIDIA GPU with its driver, and cuBLAS and NVRTC of CUDA 11.2 or later: a toolkit's, or PyPI's " +
    'nvidia-cublas and nvidia-cuda-nvrtc with their folders in the environment variable SADDLE_CUDA_LIBRARIES',
  lives: 'thread',
  sharesMemory: false,
  takesTransposed: true,
  keepsMatrices: true,
  preference: 10,
  async load(ordinal = 0) {
    const { registerCuda, withPrecision, openUpdate, fused } = await import('./cuda/backend.js')
    cuda = { ...(await registerCuda(ordinal)), withPrecision, openUpdate, fused }
  },
  fused: () => cuda!.fused(),
  openUpdate: matrix => cuda!.openUpdate(matrix),
  withPrecision: (precision, work) => cuda!.withPrecision(precision, work),
  found: () => cuda?.found ?? null,
  devices: () => cuda?.devices ?? [],
  keepAccount: shareLedger,
  reclaim: reclaimThread,
})

let blas: { readonly found: string; readonly algebra: ArrayAlgebra } | null = null

registerBackend({
  name: 'blas',
  description:
    "the system's BLAS for products, loops over shared memory for the rest; one thread a worker",
  needs:
    'OpenBLAS, MKL, BLIS or Accelerate: `apt install libopenblas0-pthread` on Debian and Ubuntu, ' +
    '`brew install openblas` on macOS, or the path of a library in the environment variable SADDLE_BLAS',
  lives: 'thread',
  sharesMemory: true,
  takesTransposed: true,
  preference: 20,
  async load() {
    const { registerBlas } = await import('./blas/backend.js')
    const { blasAlgebra } = await import('./blas/algebra.js')
    const library = await registerBlas()
    const { vendor, version, file } = library
    blas = { found: `${vendor} (${version}) as ${file}`, algebra: blasAlgebra(library) }
  },
  found: () => blas?.found ?? null,
  algebra: () => blas?.algebra ?? null,
})

registerBackend({
  name: 'tensorflow',
  description: "TensorFlow's own runtime, on a GPU or on the processor; one process a worker",
  needs:
    '@tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node with its addon, or the path of such a package in the ' +
    'environment variable SADDLE_TENSORFLOW; see docs/devices.md',
  lives: 'process',
  sharesMemory: false,
  takesTransposed: true,
  keepsMatrices: true,
  // A GPU is faster than any BLAS; on the processor TensorFlow is slower than one that reads weights in place.
  get preference() {
    return findTensorFlow()?.gpu === true ? 15 : 30
  },
  load: ordinal => loadTensorFlow(ordinal),
  found: () => tensorFlowFound(),
  devices: () => tensorFlowDevices(),
})

registerBackend({
  name: 'wasm',
  description: 'WebAssembly with SIMD; one thread a worker',
  needs: '@tensorflow/tfjs-backend-wasm, which Saddle installs',
  lives: 'thread',
  sharesMemory: false,
  preference: 40,
  async load() {
    const wasm = await import('@tensorflow/tfjs-backend-wasm')
    wasm.setThreadsCount(1)
  },
})

registerBackend({
  name: 'cpu',
  description: 'plain JavaScript: the slow reference',
  needs: '@tensorflow/tfjs-backend-cpu, which Saddle installs',
  lives: 'thread',
  sharesMemory: true,
  preference: 90,
  async load() {
    await import('@tensorflow/tfjs-backend-cpu')
  },
})
