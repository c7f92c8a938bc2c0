import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { fromWire } from '@saddle/core'
import type { Device } from '../devices/device.js'
import type { Answer, Order } from './protocol.js'

export interface LaneOptions {
  readonly device: Device
  /** Of the memory that the process inherits; null for a process that is only asked. */
  readonly memoryFd: number | null
  /** Seconds without a sign of life after which it is killed. */
  readonly deadline: number
  /** The module it runs, as a URL; null for Saddle's own. */
  readonly file: string | null
  /** Limit of its JavaScript heap in MiB. */
  readonly heapMiB?: number | null
  readonly onProgress?: (done: number, total: number) => void
}

/** Characters of what a process wrote to stderr that are kept, and those of them that are shown. */
const KEPT = 10_000
const SHOWN = 600

/**
 * A process started for one device, from the side of the thread that owns it. One order at a time; a process that died,
 * or hung and was killed, fails the order at hand and can't be asked again.
 */
export class LaneChild {
  readonly #options: LaneOptions
  readonly #process: ChildProcess
  /** Settles the order at hand. */
  #answered: ((answer: Answer | Error) => void) | null = null
  #stir: () => void = () => {}
  #end: string | null = null
  #stderr = ''

  constructor(options: LaneOptions) {
    this.#options = options
    const { device, memoryFd, file, heapMiB } = options
    const module = fileURLToPath(file ?? new URL('./saddle.lane.js', import.meta.url).href)
    this.#process = fork(module, [], {
      serialization: 'advanced',
      env: { ...process.env, ...environment(device) },
      execArgv: heapMiB == null ? [] : [`--max-old-space-size=${heapMiB}`],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', ...(memoryFd === null ? [] : [memoryFd])],
    })
    this.#process.on('message', message => this.#hear(message as Answer))
    this.#process.on('error', error => this.#ended(error.message))
    this.#process.on('exit', (code, signal) => this.#ended(describeEnd(code, signal)))
    this.#process.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk).slice(-KEPT)
    })
  }

  /** True until the process has ended. */
  get alive(): boolean {
    return this.#end === null
  }

  /**
   * Sends an order and waits for what it comes to.
   *
   * @throws what the process threw; an Error that says how it ended, if it ended or was killed for its silence.
   */
  async ask(order: Order): Promise<unknown> {
    if (this.#end !== null) throw new Error(this.#obituary())
    const answer = await new Promise<Answer | Error>(resolve => {
      this.#answered = resolve
      this.#watch()
      this.#process.send(order, error => {
        if (error !== null) this.#hearError(error)
      })
    })
    if (answer instanceof Error) throw answer
    if (answer.kind !== 'failed') return (answer as Extract<Answer, { kind: 'done' }>).value
    throw fromWire(answer.wire) ?? new Error(answer.message)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  #hear(answer: Answer): void {
    this.#stir()
    if (answer.kind === 'progress') this.#options.onProgress?.(answer.done, answer.total)
    else this.#settle(answer)
  }

  /** A channel that broke says less than the end of the process, which follows. */
  #hearError(error: Error): void {
    setTimeout(() => this.#settle(error), 1000).unref()
  }

  #ended(how: string): void {
    this.#end ??= how
    this.#settle(new Error(this.#obituary()))
  }

  #settle(answer: Answer | Error): void {
    this.#stir = () => {}
    clearTimeout(this.#timer)
    this.#answered?.(answer)
    this.#answered = null
  }

  #timer: NodeJS.Timeout | undefined

  /** Kills the process once it was silent for the deadline. */
  #watch(): void {
    const { deadline } = this.#options
    this.#stir = () => {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => {
        this.#end = `gave no sign of life for ${deadline} s (compute.deadline) and was killed`
        this.kill()
      }, 1000 * deadline)
    }
    this.#stir()
  }

  #obituary(): string {
    const words = lastWords(this.#stderr)
    return (
      `the process ${this.#process.pid} of device ${this.#options.device.id} ${this.#end}` +
      (words === '' ? '' : `; its last words: ${words}`)
    )
  }
}

/** What a process finds in its environment: its card alone, numbered as nvidia-smi does, and room for another lane. */
function environment({ backend, process: own }: Device): Record<string, string> {
  const visible = own?.visible ?? ''
  return {
    CUDA_VISIBLE_DEVICES: visible,
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    ...(backend === 'tensorflow' ? tensorFlowEnvironment(visible) : {}),
  }
}

/**
 * TensorFlow would take all of a card's memory at once, and one thread a core, with sums in an order that depends on
 * how many.
 */
function tensorFlowEnvironment(visible: string): Record<string, string> {
  return {
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? '2',
    ...(visible === '' ? { TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' } : {}),
  }
}

/** What Node says before it aborts, if that is how it ended; a long stack of its own functions follows it. */
function lastWords(stderr: string): string {
  const fatal = /^FATAL ERROR: .*$/m.exec(stderr)
  return fatal === null ? stderr.trim().slice(-SHOWN) : fatal[0]
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal === 'SIGKILL') return 'was killed (SIGKILL), perhaps for want of memory'
  if (signal === 'SIGABRT' || code === 134) return 'aborted, perhaps for want of memory'
  return signal === null ? `exited with code ${code}` : `was killed (${signal})`
}
