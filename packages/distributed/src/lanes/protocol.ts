import type { DeviceInfo, WireError } from '@saddle/core'
import type { Device } from '../devices/device.js'
import type { AnySetup, LaneProcess, Task } from '../pool/messages.js'

/** What crosses between a worker thread and the process that it owns; arrays stay where they are, in shared memory. */

/** To the process: open as the first, then one task after another. */
export type Order =
  | { readonly kind: 'open'; readonly device: Device; readonly setup: LaneSetup }
  /** Say what the device is, and compute nothing. */
  | { readonly kind: 'probe'; readonly device: Device }
  | { readonly kind: 'run'; readonly task: Task }

/** A worker's setup less what only threads can share; arrays are places in the memory. */
export type LaneSetup = Omit<AnySetup, 'slots' | 'devices'>

/** From the process. */
export type Answer =
  | { readonly kind: 'done'; readonly value: unknown }
  /** `wire` where it is an error of ours. */
  | { readonly kind: 'failed'; readonly message: string; readonly wire: WireError | null }
  /** Gradient steps done of the current shard: a sign of life. */
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }

/** The value of an `open` that is done. */
export type Opened = LaneProcess

/** The value of a `probe` that is done. */
export interface Probed {
  readonly found: string | null
  readonly devices: readonly DeviceInfo[]
}
