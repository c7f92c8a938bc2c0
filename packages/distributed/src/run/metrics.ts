import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import type { StepRecord } from './events.js'
import { diskError } from './files.js'

const METRICS = 'metrics.jsonl'

/**
 * metrics.jsonl: one line a step. A checkpoint remembers how long the file was; resuming cuts it there, so that no
 * step is lost or written twice, wherever a run was killed.
 */
export class MetricsLog {
  readonly #fd: number
  readonly #file: string
  #bytes: number

  private constructor(fd: number, file: string, bytes: number) {
    this.#fd = fd
    this.#file = file
    this.#bytes = bytes
  }

  /**
   * Opens the metrics of a run folder for appending; creates them if need be.
   *
   * @param truncateTo length in bytes to cut the file to, from the checkpoint that is resumed; default: all whole
   *   lines are kept
   * @throws SaddleError CHECKPOINT if the file is shorter than the checkpoint left it; DISK if it cannot be written
   */
  static open(dir: string, { truncateTo }: { readonly truncateTo?: number } = {}): MetricsLog {
    const file = join(dir, METRICS)
    const fd = guarded(file, () => openSync(file, 'a+'))
    try {
      const { size } = fstatSync(fd)
      const bytes = truncateTo ?? readFileSync(file).lastIndexOf(0x0a) + 1
      if (size < bytes)
        throw new SaddleError(
          'CHECKPOINT',
          `${file} is shorter than the checkpoint left it: expected at least ${bytes} bytes, got ${size}. It was changed ` +
            'by something else; restore it from a copy, or begin the run anew.',
          { file, expected: bytes, got: size },
        )
      guarded(file, () => ftruncateSync(fd, bytes))
      return new MetricsLog(fd, file, bytes)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** Length of the file so far. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Writes one line. It is with the operating system when this returns (it survives the process), on the disk
   * after `flush`.
   */
  append(record: StepRecord): void {
    const line = Buffer.from(`${JSON.stringify(record)}\n`)
    let done = 0
    while (done < line.length)
      done += guarded(this.#file, () => writeSync(this.#fd, line, done, line.length - done))
    this.#bytes += line.length
  }

  /** Waits until everything is on the disk: before a checkpoint that counts on it. */
  flush(): void {
    guarded(this.#file, () => fsyncSync(this.#fd))
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/**
 * The metrics of a run folder, in step order; [] if there are none yet. A last line that was cut short by a kill is
 * left out.
 *
 * @throws SaddleError DATA if any other line is damaged
 */
export function readMetrics(dir: string): StepRecord[] {
  const file = join(dir, METRICS)
  const lines = readText(file).split('\n')
  return lines.slice(0, -1).map((line, index) => {
    try {
      return JSON.parse(line) as StepRecord
    } catch {
      throw new SaddleError(
        'DATA',
        `${file}: line ${index + 1} is not JSON: "${line.slice(0, 40)}". It was changed after it was written; restore it from a copy.`,
        { file, line: index + 1 },
      )
    }
  })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

function guarded<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw diskError(
      error,
      file,
      'Earlier checkpoints are intact. Put that right, then go on with `saddle resume`.',
    )
  }
}
