import picocolors from 'picocolors'

/** Where a command writes: results to `out`, everything about how it is going to `err`. */
export interface Terminal {
  readonly out: Sink
  readonly err: Sink
}

export interface Sink {
  write(text: string): void
  /** True for a person at a terminal, where a line can be drawn over. */
  readonly interactive: boolean
  /** Columns, or undefined where nobody looks at them. */
  readonly width: number | undefined
  readonly colours: Colours
  /** What a progress bar draws on. */
  readonly stream: NodeJS.WritableStream
}

type Colours = ReturnType<typeof picocolors.createColors>

/** This process's streams. A reader that went away (`saddle plan | head -1`) is no error of ours. */
export function processTerminal(): Terminal {
  process.stdout.on('error', error => leaveQuietly(error, () => process.exit()))
  process.stderr.on('error', error => leaveQuietly(error, () => {}))
  return { out: sink(process.stdout), err: sink(process.stderr) }
}

function leaveQuietly(error: NodeJS.ErrnoException, leave: () => void): void {
  if (error.code !== 'EPIPE') throw error
  leave()
}

/** `NO_COLOR` and `FORCE_COLOR` are honoured, as at no-color.org. */
function sink(stream: NodeJS.WriteStream): Sink {
  const interactive = stream.isTTY === true
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  const wanted = FORCE_COLOR === undefined ? interactive && TERM !== 'dumb' : FORCE_COLOR !== '0'
  return {
    write: text => void stream.write(text),
    interactive,
    get width() {
      return stream.columns
    },
    colours: picocolors.createColors(wanted && (NO_COLOR === undefined || NO_COLOR === '')),
    stream,
  }
}
