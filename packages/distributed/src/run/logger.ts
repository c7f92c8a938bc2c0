import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { createLogger as createWinston, format, type Logger, transports } from 'winston'
import { diskError } from './files.js'

/**
 * The log of a run folder, log.jsonl (log-1.jsonl of rank 1, and so on): a line of JSON an entry, with level,
 * timestamp, message and fields. Nothing goes to the console. A log that can no longer be written (a full disk) loses lines and stops nothing.
 *
 * @throws SaddleError DISK if the file cannot be opened
 */
export function createLogger(dir: string, rank = 0): Logger {
  const sink = openSink(join(dir, rank === 0 ? 'log.jsonl' : `log-${rank}.jsonl`))
  const logger = createWinston({
    level: 'debug',
    format: format.combine(format.timestamp(), format.json()),
    transports: [new transports.Stream({ stream: sink })],
  })
  sinks.set(logger, sink)
  return logger
}

/** Ends a logger, and waits until its file has everything and is closed. */
export async function closeLogger(logger: Logger): Promise<void> {
  const sink = sinks.get(logger)
  if (sink === undefined || sink.closed) return
  await new Promise<void>(resolve => {
    logger.once('finish', () => sink.end())
    sink.once('close', resolve)
    logger.end()
  })
}

const sinks = new WeakMap<Logger, Writable>()

/** Writes at once, so that a process that ends or is killed right after has logged why. */
function openSink(file: string): Writable {
  const fd = openLog(file)
  let torn = false
  return new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      const bytes = Buffer.from(torn ? `\n${line}` : line)
      try {
        torn = writeSync(fd, bytes) < bytes.length
      } catch {
        // The disk is full: training goes on, and its checkpoints report the disk.
      }
      done()
    },
    final(done) {
      closeSync(fd)
      done()
    },
  })
}

function openLog(file: string): number {
  try {
    return openSync(file, 'a')
  } catch (error) {
    throw diskError(error, file, 'Choose a folder that can be written.')
  }
}
