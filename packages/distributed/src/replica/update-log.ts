import type { WindowShard } from '../pool/messages.js'

/**
 * The last updates, for devices that make them themselves. A device that has the weights of version v makes those of
 * v + 1 from the factors of that step, which are still in their slot of the window, and from what stands here:
 *
 *   G = Σ_s signal_s · input_s,   D ← c (D − α G),   W = W_0 + D
 *
 * One that has none, because its worker was lost or is new, begins at the host's D, whose version is `base`. Before the
 * slots are full D is brought to the host, and base is the version of that.
 *
 * In shared memory: written by the coordinator between tasks, read by workers in theirs.
 */
export interface UpdateLog {
  /** Steps whose factors are held at once, that of the current step included; at least 2. */
  readonly slots: number
  /** [0]: version of D on the host. */
  readonly base: Int32Array<SharedArrayBuffer>
  /** By slot: α and a scale for every matrix, float64. */
  readonly numbers: Int32Array<SharedArrayBuffer>
  /** By slot: how many shards, then offset and count of each. */
  readonly shards: Int32Array<SharedArrayBuffer>
}

/** One update. */
export interface LoggedUpdate {
  readonly stepSize: number
  /** c, by the index of the matrix. */
  readonly scales: readonly number[]
  /** What of the window the factors are, in example order. */
  readonly window: readonly WindowShard[]
}

/** @param parts shards of a window at most, or chunks of them. */
export function createUpdateLog(slots: number, matrices: number, parts: number): UpdateLog {
  const shared = (length: number) => new Int32Array(new SharedArrayBuffer(4 * length))
  return {
    slots,
    base: shared(1),
    numbers: shared(2 * slots * (1 + matrices)),
    shards: shared(slots * (1 + 2 * parts)),
  }
}

/** The slot of the step that makes the weights of `version` new. */
export function slotOf({ slots }: UpdateLog, version: number): number {
  return version % slots
}

/** Writes the update of the weights of `version` down. */
export function logUpdate(log: UpdateLog, version: number, update: LoggedUpdate): void {
  const { numbers, shards } = partsOf(log, version)
  numbers.set([update.stepSize, ...update.scales])
  shards[0] = update.window.length
  update.window.forEach(({ offset, count }, i) => {
    shards.set([offset, count], 1 + 2 * i)
  })
}

/** The update of the weights of `version`, if it is one of the last. */
export function loggedUpdate(log: UpdateLog, version: number): LoggedUpdate {
  const { numbers, shards } = partsOf(log, version)
  const [stepSize, ...scales] = numbers as unknown as [number, ...number[]]
  const window = Array.from({ length: shards[0]! }, (_, i) => ({
    offset: shards[1 + 2 * i]!,
    count: shards[2 + 2 * i]!,
  }))
  return { stepSize, scales, window }
}

function partsOf(log: UpdateLog, version: number) {
  const all = new Float64Array(log.numbers.buffer, log.numbers.byteOffset, log.numbers.length / 2)
  const [width, length] = [all.length / log.slots, log.shards.length / log.slots]
  const slot = slotOf(log, version)
  return {
    numbers: all.subarray(slot * width, (slot + 1) * width),
    shards: log.shards.subarray(slot * length, (slot + 1) * length),
  }
}
