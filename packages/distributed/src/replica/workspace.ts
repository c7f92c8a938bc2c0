import { blockRows, journalLength, type Matrix, type Parameters, rowBlocks } from '@saddle/core'
import { type Range, shardsOf } from './shards.js'
import { createUpdateLog, slotOf, type UpdateLog } from './update-log.js'

/**
 * Where gradients travel: shared buffers between the workers that make them and those that apply them.
 *
 * The gradient of a matrix over a batch is Σ_s signal_s · input_s over shards s. Two forms:
 *   factors  workers write signal_s [rows, n_s] and input_s [n_s, cols]: n (rows + cols) numbers;
 *   dense    workers write the product: rows · cols numbers.
 * The form with fewer bytes is taken. It depends on shapes and batch size only, never on the number of workers,
 * because it decides the order of sums.
 */
export interface GradientBuffers {
  readonly name: string
  /** Rows that this rank holds. */
  readonly rows: number
  readonly cols: number
  /** Rows that blocks don't cross: those of a slice of neurons, or all. */
  readonly unit: number
  readonly form: 'factors' | 'dense'
  readonly factorBytes: number
  readonly denseBytes: number
  /** True if devices update it themselves. */
  readonly onDevice: boolean
  /** Factors of one window of examples, or of as many windows as the log has slots. */
  readonly signals: Float32Array<SharedArrayBuffer> | null
  readonly inputs: Float32Array<SharedArrayBuffer> | null
  /** Dense gradients on their way into `sum`: one a shard in flight, or one for a window. */
  readonly staging: readonly Float32Array<SharedArrayBuffer>[]
  /** Dense sum over the batch; null where all factors of a batch fit one window. */
  readonly sum: Float32Array<SharedArrayBuffer> | null
  /** How far the update's second phase got: the journals of the row blocks, one after another. */
  readonly journal: Int32Array<SharedArrayBuffer>
}

export interface Workspace {
  /** [0]: how often the weights have changed. Whoever has a copy of them looks whether it is still good. */
  readonly version: Int32Array<SharedArrayBuffer>
  /** Indices of the current batch's examples, in the order in which they are summed. */
  readonly order: Int32Array<SharedArrayBuffer>
  /** Examples whose factors are held at once; a multiple of the shard size unless the batch is smaller. */
  readonly windowExamples: number
  /** Points of each example whose factors the window has room for. */
  readonly points: number
  /** The perturbation that a recipe carries from step to step, by place in the batch; the coordinator writes it. */
  readonly carried: Matrix | null
  /** Examples whose signals a worker holds at once; a shard's gradient is summed over such chunks. */
  readonly chunk: number
  readonly matrices: readonly GradientBuffers[]
  /** What devices need to update matrices themselves; null where the host does. */
  readonly log: UpdateLog | null
}

export interface WorkspaceOptions {
  readonly examples: number
  readonly batch: number
  readonly shard: number
  /** Bytes of factors held at once, over all matrices. */
  readonly windowBytes: number
  /**
   * Dense gradients on their way into `sum` at once: a shard in flight each, one more than there are workers; or the one
   * that a team of workers sums from or to.
   */
  readonly inFlight: number
  /** Where neurons are split: rows of the whole matrices, and of their slices. */
  readonly neurons?: { readonly rows: number; readonly slice: number }
  readonly gradients?: WantedForm
  /** Points an example at which a step takes gradients, at most. Default 1. */
  readonly points?: number
  /** [batch, d]; default: nothing is carried. */
  readonly carried?: Matrix | null
  /** True if devices update themselves the matrices whose factors a window has room for at once. */
  readonly onDevice?: boolean
}

/** auto: the form with fewer bytes. */
export type WantedForm = 'auto' | 'factors' | 'dense'

/** How the gradient of a matrix travels, with the bytes that decide. */
export type GradientForm = Pick<
  GradientBuffers,
  'name' | 'rows' | 'cols' | 'form' | 'factorBytes' | 'denseBytes'
>

/** The form in which each trained matrix's gradient over a batch of so many examples, or points of them, travels. */
export function formsOf(
  trained: readonly TravellingMatrix[],
  batch: number,
  wanted: WantedForm = 'auto',
): GradientForm[] {
  return trained.map(({ name, rows, cols }) => {
    const factorBytes = 4 * batch * (rows + cols)
    const denseBytes = 4 * rows * cols
    const fewer = denseBytes < factorBytes ? 'dense' : 'factors'
    const form = wanted === 'auto' ? fewer : wanted
    return { name, rows, cols, form, factorBytes, denseBytes }
  })
}

/** A matrix whose gradients travel. */
interface TravellingMatrix {
  readonly name: string
  readonly rows: number
  readonly cols: number
}

/** How long a workspace's arrays are, before any is there. */
interface WorkspacePlan extends Pick<Workspace, 'windowExamples' | 'points' | 'chunk'> {
  readonly order: number
  /** Windows held one behind the other; 1 where no device updates anything. */
  readonly slots: number
  readonly matrices: readonly (TravellingMatrix &
    Pick<GradientBuffers, 'unit' | 'form' | 'factorBytes' | 'denseBytes' | 'onDevice'> & {
      /** 0: there is none. */
      readonly signals: number
      readonly inputs: number
      readonly staging: { readonly count: number; readonly length: number }
      readonly sum: number
      readonly journal: number
    })[]
}

/**
 * Decides how gradients travel; allocates nothing. The shape of the whole matrices decides, so that sums are the same
 * for any number of ranks; lengths are those of the rows held.
 *
 * @param held rows that this rank holds of each matrix; default: all
 */
export function planWorkspace(
  trained: readonly TravellingMatrix[],
  options: WorkspaceOptions,
  held: readonly number[] = trained.map(({ rows }) => rows),
): WorkspacePlan {
  const { examples, batch, shard, windowBytes, inFlight, points = 1 } = options
  const forms = travellingForms(trained, options)
  const bytesPerExample = forms
    .filter(f => f.form === 'factors')
    .reduce((sum, f) => sum + 4 * points * (f.rows + f.cols), 0)
  const windowExamples = windowSize(batch, shard, windowBytes, bytesPerExample)
  const oneWindow = windowExamples >= batch
  const onDevice = (f: GradientForm) =>
    options.onDevice === true && oneWindow && f.form === 'factors'
  const slots = slotsFor(forms.filter(onDevice))
  return {
    order: examples,
    windowExamples,
    points,
    slots,
    // Half the window's bytes: at the default, shards of 128 examples are cut beyond a width of 2·10⁵.
    chunk: Math.max(1, Math.floor(windowBytes / 8 / Math.max(...forms.map(f => f.rows)))),
    matrices: forms.map((f, index) => {
      const factors = f.form === 'factors'
      const rows = held[index]!
      const length = rows * f.cols
      const unit = options.neurons?.slice ?? rows
      return {
        ...f,
        rows,
        unit,
        onDevice: onDevice(f),
        signals: factors ? slots * points * windowExamples * rows : 0,
        inputs: factors ? slots * points * windowExamples * f.cols : 0,
        staging: { count: factors ? (oneWindow ? 0 : 1) : inFlight, length },
        sum: factors && oneWindow ? 0 : length,
        journal: journalSize({ rows, cols: f.cols, unit }),
      }
    }),
  }
}

/**
 * The form that each matrix takes. Where devices update, factors of one window cross once, dense gradients with every shard, and the weights after them:
 * all matrices take factors that a window has room for.
 */
export function travellingForms(
  trained: readonly TravellingMatrix[],
  {
    batch,
    windowBytes,
    onDevice,
    gradients = 'auto',
    points = 1,
  }: Pick<WorkspaceOptions, 'batch' | 'windowBytes' | 'onDevice' | 'gradients' | 'points'>,
): GradientForm[] {
  const forms = formsOf(trained, batch * points, gradients)
  const factors = forms.reduce((sum, f) => sum + f.factorBytes, 0)
  if (onDevice !== true || gradients !== 'auto' || factors > windowBytes) return forms
  return forms.map(f => ({ ...f, form: 'factors' }))
}

/** Slots of the log at most: what a device has missed is made up for step by step. */
const MOST_SLOTS = 25

/** Windows that take as much memory as D does, which is brought to the host as often as they are full; 1 for nothing. */
function slotsFor(forms: readonly GradientForm[]): number {
  if (forms.length === 0) return 1
  const dense = forms.reduce((sum, f) => sum + f.denseBytes, 0)
  const factors = forms.reduce((sum, f) => sum + f.factorBytes, 0)
  return Math.max(2, Math.min(MOST_SLOTS, Math.floor(dense / factors)))
}

/** Where the factors of the current step begin in the window. */
export function windowStart({ log, version, windowExamples, points }: Workspace): number {
  return log === null ? 0 : slotOf(log, Atomics.load(version, 0)) * windowExamples * points
}

/** Plans the forms and allocates the buffers. */
export function createWorkspace(parameters: Parameters, options: WorkspaceOptions): Workspace {
  const shapes = parameters.trained.map(({ name, weights: { rows, cols } }) => ({
    name,
    rows: options.neurons?.rows ?? rows,
    cols,
  }))
  const held = parameters.trained.map(({ weights }) => weights.rows)
  const plan = planWorkspace(shapes, options, held)
  const { order, matrices, slots, windowExamples, points, chunk } = plan
  const shards = Math.ceil(options.batch / options.shard)
  const parts = points * shards * Math.ceil(options.shard / chunk)
  return {
    windowExamples,
    points,
    carried: options.carried ?? null,
    chunk,
    log: slots === 1 ? null : createUpdateLog(slots, matrices.length, parts),
    version: new Int32Array(new SharedArrayBuffer(4)),
    order: new Int32Array(new SharedArrayBuffer(4 * order)),
    matrices: matrices.map(({ signals, inputs, staging, sum, journal, ...m }) => ({
      ...m,
      signals: signals === 0 ? null : shared(signals),
      inputs: inputs === 0 ? null : shared(inputs),
      staging: Array.from({ length: staging.count }, () => shared(staging.length)),
      sum: sum === 0 ? null : shared(sum),
      journal: new Int32Array(new SharedArrayBuffer(4 * journal)),
    })),
  }
}

/** What the rows of a matrix are cut into, for the update and for sums over windows: a unit is cut like a matrix. */
type CutRows = Pick<GradientBuffers, 'rows' | 'cols' | 'unit'>

/** The blocks of a matrix's rows, in order: those of `rowBlocks`, unit by unit. */
export function blocksOf({ rows, cols, unit }: CutRows): Range[] {
  return shardsOf(rows, unit).flatMap(({ start, stop }) =>
    rowBlocks(stop - start, cols).map(block => ({
      start: start + block.start,
      stop: start + block.stop,
    })),
  )
}

/** The journal of rows start..stop, one of the blocks of `blocksOf`. */
export function journalOf(
  matrix: GradientBuffers,
  start: number,
  stop: number,
): Int32Array<SharedArrayBuffer> {
  const { cols, unit, journal } = matrix
  const { height, aUnit, aBlock } = journalsOf(matrix)
  const first = (Math.floor(start / unit) * aUnit + (start % unit) / height) * aBlock
  return journal.subarray(first, first + journalLength(stop - start, cols))
}

function journalSize(matrix: CutRows): number {
  const { aUnit, aBlock } = journalsOf(matrix)
  return Math.ceil(matrix.rows / matrix.unit) * aUnit * aBlock
}

/** Rows of a block, blocks of a unit, and entries that a block has room for. */
function journalsOf({ rows, cols, unit }: CutRows) {
  const largest = Math.min(unit, rows)
  const height = blockRows(largest, cols)
  return { height, aUnit: Math.ceil(largest / height), aBlock: journalLength(height, cols) }
}

/** As many whole shards as fit the bytes, at least one, at most the batch. */
function windowSize(batch: number, shard: number, bytes: number, perExample: number): number {
  if (perExample * batch <= bytes) return batch
  return Math.min(batch, Math.max(1, Math.floor(bytes / perExample / shard)) * shard)
}

function shared(length: number): Float32Array<SharedArrayBuffer> {
  return new Float32Array(new SharedArrayBuffer(4 * length))
}
