import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import {
  type Config,
  type Holder,
  type RunSummary,
  readConfig,
  runHolder,
  type StepRecord,
} from '@saddle/distributed'
import { attackName } from '../format.js'
import { advance, type ProgressState, waiting } from '../progress/state.js'

/** How a run stands, read from its folder alone: works for any run on a disk that this machine sees. */
export interface RunState {
  readonly dir: string
  /** The attack it trains against: `pgd-5`. */
  readonly label: string
  /**
   * absent: no such folder yet; running: a process is at work in it; done, stopped: as its summary says; ended: none
   * of these, so it was killed or failed, or its job has not come back to it yet.
   */
  readonly phase: 'absent' | 'running' | 'done' | 'stopped' | 'ended'
  readonly progress: ProgressState
  readonly summary: RunSummary | null
  readonly holder: Holder | null
  /**
   * Seconds without a sign of life from a process on another machine, which cannot be looked for from here; null where
   * there is one, or was a short time ago.
   */
  readonly silence: number | null
  /** One for each process, where several train together. */
  readonly ranks: readonly RankSign[]
}

/** The last that a rank wrote into its log. */
interface RankSign {
  readonly rank: number
  readonly message: string
  /** Seconds since then. */
  readonly ago: number
}

/** Reads the state of a run again and again; metrics that were read before are not read twice. */
export class RunFollower {
  readonly dir: string
  #label = 'run'
  #progress: ProgressState = waiting
  #configured = false
  #offset = 0

  constructor(dir: string) {
    this.dir = dir
  }

  async look(): Promise<RunState> {
    const { dir } = this
    if (!this.#configured && existsSync(join(dir, 'config.yaml'))) await this.#begin()
    if (!this.#configured) return this.#state('absent', null, null)
    this.#follow()
    const holder = runHolder(dir)
    const summary = summaryOf(dir)
    if (holder !== null) return this.#state('running', summary, holder)
    return this.#state(summary?.status ?? 'ended', summary, null)
  }

  #state(phase: RunState['phase'], summary: RunSummary | null, holder: Holder | null): RunState {
    const { dir } = this
    const progress =
      phase === 'done' ? { ...this.#progress, phase: 'done' as const } : this.#progress
    const ranks = phase === 'running' ? ranksOf(dir) : []
    const silence = holder === null ? null : silenceOf(dir, holder)
    return { dir, label: this.#label, phase, progress, summary, holder, silence, ranks }
  }

  async #begin(): Promise<void> {
    const { config } = await readConfig(join(this.dir, 'config.yaml'))
    this.#label = attackName(config.attack)
    this.#progress = started(config)
    this.#configured = true
  }

  /** Takes the lines of metrics.jsonl that are new; from the start again where a resumed run has cut it. */
  #follow(): void {
    const file = join(this.dir, 'metrics.jsonl')
    if (!existsSync(file)) return
    const fd = openSync(file, 'r')
    try {
      const { size } = fstatSync(fd)
      if (size < this.#offset) {
        this.#offset = 0
        this.#progress = { ...this.#progress, done: 0, recent: [] }
      }
      const bytes = Buffer.alloc(size - this.#offset)
      readSync(fd, bytes, 0, bytes.length, this.#offset)
      const whole = bytes.lastIndexOf(0x0a) + 1
      this.#offset += whole
      for (const line of bytes.toString('utf8', 0, whole).split('\n')) this.#take(line)
    } finally {
      closeSync(fd)
    }
  }

  #take(line: string): void {
    const record = parse<StepRecord>(line)
    if (record === null) return
    this.#progress = advance(this.#progress, { kind: 'step', record, steps: this.#progress.steps })
  }
}

/** How a run stands now. */
export function runState(dir: string): Promise<RunState> {
  return new RunFollower(dir).look()
}

/** summary.json of a run folder; null if there is none or it is being written. */
export function summaryOf(dir: string): RunSummary | null {
  const file = join(dir, 'summary.json')
  return existsSync(file) ? parse<RunSummary>(readFileSync(file, 'utf8')) : null
}

/** A process gives a sign every 10 s; file systems of a network may show it a minute late. */
const PATIENCE = 120

function silenceOf(dir: string, { host }: Holder): number | null {
  if (host === hostname()) return null
  const signs = ['lock', 'log.jsonl', 'metrics.jsonl'].map(name =>
    statSync(join(dir, name), { throwIfNoEntry: false }),
  )
  const last = Math.max(...signs.map(sign => sign?.mtimeMs ?? 0))
  const seconds = (Date.now() - last) / 1000
  return seconds > PATIENCE ? seconds : null
}

/** log.jsonl is rank 0's and says how many there are, log-1.jsonl is rank 1's. */
function ranksOf(dir: string): RankSign[] {
  const entries = lastEntries(join(dir, 'log.jsonl'))
  const count = entries.findLast(({ message }) => message === 'start')?.ranks ?? 1
  if (count === 1) return []
  return Array.from({ length: count }, (_, rank) => {
    const last = rank === 0 ? entries : lastEntries(join(dir, `log-${rank}.jsonl`))
    const { message = 'nothing yet', step, timestamp } = last.at(-1) ?? {}
    const ago = timestamp === undefined ? 0 : (Date.now() - Date.parse(timestamp)) / 1000
    return { rank, message: step === undefined ? message : `${message} ${step}`, ago }
  })
}

interface LogEntry {
  readonly message?: string
  readonly step?: number
  readonly ranks?: number
  readonly timestamp?: string
}

/** Entries of the last 64 KiB of a log. */
function lastEntries(file: string): LogEntry[] {
  if (!existsSync(file)) return []
  const fd = openSync(file, 'r')
  try {
    const { size } = fstatSync(fd)
    const bytes = Buffer.alloc(Math.min(size, 1 << 16))
    readSync(fd, bytes, 0, bytes.length, size - bytes.length)
    const lines = bytes.toString('utf8').split('\n')
    return lines.map(line => parse<LogEntry>(line)).filter(entry => entry !== null)
  } finally {
    closeSync(fd)
  }
}

function started({ descent: { steps, radius } }: Config): ProgressState {
  return { ...waiting, phase: 'training', steps, radius }
}

function parse<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T
  } catch {
    return null
  }
}
