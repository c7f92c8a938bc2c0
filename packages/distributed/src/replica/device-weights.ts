import {
  currentBackend,
  type DeviceUpdate,
  type FactorArrays,
  type ProposalSums,
  SaddleError,
} from '@saddle/core'
import type { ProposeOnDeviceTask, WindowShard, WorkerSetup } from '../pool/messages.js'
import { loggedUpdate } from './update-log.js'
import type { GradientBuffers } from './workspace.js'

/** A matrix on this thread's device. */
interface OnDevice {
  readonly update: DeviceUpdate
  /** Of the weights that the device has. */
  version: number
  /** Whether the proposal that makes them new is already there. */
  isProposed: boolean
}

/**
 * The matrices that this thread's device updates itself, brought up to date when a task needs them: from the version
 * that the device has, or from the host's D where it has none that the log reaches back to.
 */
export class DeviceWeights {
  readonly #setup: WorkerSetup
  readonly #matrices = new Map<number, OnDevice>()

  constructor(setup: WorkerSetup) {
    this.#setup = setup
  }

  /** Makes all of them those of the workspace's version. */
  catchUp(): void {
    const { matrices, log } = this.#setup.workspace
    if (log === null) return
    for (const [matrix, { onDevice }] of matrices.entries()) if (onDevice) this.#current(matrix)
  }

  /** V of one matrix, which the device then holds until it catches up. */
  propose({ matrix, stepSize, window }: ProposeOnDeviceTask): ProposalSums {
    const { comparator, workspace } = this.#setup
    const current = this.#current(matrix)
    const other = comparator === null ? undefined : comparator.trained[matrix]!.displacement
    const factors = windowFactors(workspace.matrices[matrix]!, window)
    const sums = current.update.propose(factors, stepSize, other)
    current.isProposed = true
    return sums
  }

  /** D of one matrix, into `out`. */
  read(matrix: number, out: Float32Array): void {
    this.#current(matrix).update.read(out)
  }

  #current(matrix: number): OnDevice {
    const { version, log, matrices } = this.#setup.workspace
    const wanted = Atomics.load(version, 0)
    const current = this.#reached(matrix, Atomics.load(log!.base, 0))
    for (; current.version < wanted; current.version++) {
      const { stepSize, scales, window } = loggedUpdate(log!, current.version)
      if (!current.isProposed)
        current.update.propose(windowFactors(matrices[matrix]!, window), stepSize)
      current.update.settle(scales[matrix]!)
      current.isProposed = false
    }
    return current
  }

  /** The matrix as the device has it, or as the host has if that is later. */
  #reached(matrix: number, base: number): OnDevice {
    const known = this.#matrices.get(matrix)
    if (known !== undefined && known.version >= base) return known
    known?.update.close()
    const { openUpdate, name } = currentBackend()
    if (openUpdate === undefined)
      throw new SaddleError('WORKER', `${name} updates no weights on a device.`, { backend: name })
    const update = openUpdate(this.#setup.parameters.trained[matrix]!)
    const opened = { update, version: base, isProposed: false }
    this.#matrices.set(matrix, opened)
    return opened
  }
}

function windowFactors(
  { rows, cols, signals, inputs }: GradientBuffers,
  window: readonly WindowShard[],
): FactorArrays[] {
  return window.map(({ offset, count }) => ({
    signal: signals!.subarray(offset * rows, (offset + count) * rows),
    input: inputs!.subarray(offset * cols, (offset + count) * cols),
  }))
}
