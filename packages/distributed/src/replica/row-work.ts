import { combineInto, type FactorArrays, type ProposalSums, propose, settle } from '@saddle/core'
import type {
  CombineTask,
  ProposeTask,
  SettleTask,
  WindowShard,
  WorkerSetup,
} from '../pool/messages.js'
import { type GradientBuffers, journalOf } from './workspace.js'

/** The update of the shared weights, rows of a matrix at a time: the gradient's sum, the proposal, its settlement. */
export class Rows {
  readonly #setup: WorkerSetup
  /** Room for the gradient of one block of rows. */
  #scratch = new Float32Array(0)

  constructor(setup: WorkerSetup) {
    this.#setup = setup
  }

  /** Rows of Σ_s signal_s · input_s over the window, into the staging buffer. */
  combine(task: CombineTask): null {
    const buffers = this.#setup.workspace.matrices[task.matrix]!
    const { start, stop } = task
    const rows = buffers.staging[0]!.subarray(start * buffers.cols, stop * buffers.cols)
    combineInto(rows, buffers.cols, windowRows(buffers, start, stop, task.shards))
    return null
  }

  propose(task: ProposeTask): ProposalSums {
    const { parameters, workspace, comparator } = this.#setup
    const buffers = workspace.matrices[task.matrix]!
    journalOf(buffers, task.start, task.stop).fill(0)
    const matrix = parameters.trained[task.matrix]!
    const other = comparator === null ? undefined : comparator.trained[task.matrix]!.displacement
    const gradient = this.#gradientRows(buffers, task)
    return propose(matrix, gradient, task.start, task.stop, task.stepSize, other)
  }

  /** Rows of the batch's gradient; those still in factors in an array that the next call overwrites. */
  #gradientRows(buffers: GradientBuffers, { start, stop, shards }: ProposeTask): Float32Array {
    const { cols } = buffers
    if (shards === null) return buffers.sum!.subarray(start * cols, stop * cols)
    const length = (stop - start) * cols
    if (this.#scratch.length < length) this.#scratch = new Float32Array(length)
    const rows = this.#scratch.subarray(0, length)
    combineInto(rows, cols, windowRows(buffers, start, stop, shards))
    return rows
  }

  settle(task: SettleTask): null {
    const { parameters, workspace } = this.#setup
    const matrix = parameters.trained[task.matrix]!
    const journal = journalOf(workspace.matrices[task.matrix]!, task.start, task.stop)
    settle(matrix, task.start, task.stop, task.scale, journal)
    return null
  }
}

/** Rows start..stop of the window's factors, as views: shard after shard. */
function windowRows(
  { rows, cols, signals, inputs }: GradientBuffers,
  start: number,
  stop: number,
  shards: readonly WindowShard[],
): FactorArrays[] {
  return shards.map(({ offset, count }) => {
    const first = offset * rows
    return {
      signal: signals!.subarray(first + start * count, first + stop * count),
      input: inputs!.subarray(offset * cols, (offset + count) * cols),
    }
  })
}
