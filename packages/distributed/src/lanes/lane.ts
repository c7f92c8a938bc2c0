import type { Device } from '../devices/device.js'
import type { AnySetup, Task } from '../pool/messages.js'
import { LaneChild } from './child.js'
import type { LaneSetup, Opened } from './protocol.js'

/** What a lane tells of itself. */
export interface LaneEvents {
  /** A process is up: the first, or the one after one that died. */
  onReady(opened: Opened): void
  onProgress(done: number, total: number): void
}

/**
 * A worker thread's way to a device that lives in a process of its own. Tasks go there one at a time as they are; what
 * they read and write lies in memory that both map, so nothing but the task and its figures crosses.
 *
 * If the process dies or hangs, the task at hand fails, to be done again by whichever worker is free; the next task
 * that comes here starts another process.
 */
export class Lane {
  readonly #setup: AnySetup
  readonly #device: Device
  readonly #events: LaneEvents
  #child: LaneChild | undefined

  /** @param setup with places for arrays, as it was posted. */
  constructor(setup: AnySetup, device: Device, events: LaneEvents) {
    this.#setup = setup
    this.#device = device
    this.#events = events
  }

  async run(task: Task): Promise<unknown> {
    if (this.#child === undefined || !this.#child.alive) this.#child = await this.#open()
    return this.#child.ask({ kind: 'run', task })
  }

  async #open(): Promise<LaneChild> {
    const { deadline, laneFile, heapMiB, memory } = this.#setup
    const { slots: _, devices: __, ...setup } = this.#setup
    const child = new LaneChild({
      device: this.#device,
      memoryFd: memory!.fd,
      deadline,
      file: laneFile,
      heapMiB,
      onProgress: this.#events.onProgress,
    })
    try {
      const opened = await child.ask({
        kind: 'open',
        device: this.#device,
        setup: setup satisfies LaneSetup,
      })
      this.#events.onReady(opened as Opened)
      return child
    } catch (error) {
      child.kill()
      throw error
    }
  }
}
