import type { EvaluationEvent } from '@saddle/distributed'
import cliProgress from 'cli-progress'
import { duration, plain } from '../format.js'
import type { Sink, Terminal } from '../terminal.js'

const { MultiBar } = cliProgress

/** Shows people how an evaluation is going, on stderr. */
export interface EvaluationReporter {
  event(event: EvaluationEvent): void
  note(text: string): void
  close(): void
}

/** A bar for a person at a terminal, a line every few seconds for a log, nothing with `quiet`. */
export function createEvaluationReporter(
  { err }: Terminal,
  quiet: boolean,
  now: () => number = Date.now,
): EvaluationReporter {
  if (quiet) return { event() {}, note() {}, close() {} }
  return err.interactive ? bar(err, now) : lines(err, now)
}

type Progress = Extract<EvaluationEvent, { kind: 'progress' }>

/** The share of the work before which its rate says more of starting up than of attacks. */
const TELLING = 0.01

/** Seconds until all is done, at the rate since this process began; null before that can be told. */
function secondsLeft({ done, begun, total }: Progress, elapsed: number): number | null {
  if (done - begun <= TELLING * total) return null
  return (elapsed * (total - done)) / (done - begun)
}

/** `pgd:steps=40 ███████─── 34 %  0:47 left`, at most `width` columns. */
export function drawEvaluationBar(progress: Progress, elapsed: number, width: number): string {
  const share = progress.total === 0 ? 1 : progress.done / progress.total
  const left = secondsLeft(progress, elapsed)
  const tail = `${Math.floor(100 * share)} %${left === null ? '' : `  ${duration(left)} left`}`
  const room = Math.max(5, Math.min(30, width - progress.attack.length - tail.length - 3))
  const full = Math.round(room * share)
  return `${progress.attack} ${'█'.repeat(full)}${'─'.repeat(room - full)} ${tail}`.slice(0, width)
}

/** Redraws a second. */
const REDRAWS = 8

function bar(err: Sink, now: () => number): EvaluationReporter {
  const began = now()
  let latest: Progress = { kind: 'progress', attack: 'preparing', done: 0, begun: 0, total: 1 }
  const bars = new MultiBar({
    stream: err.stream as NodeJS.WriteStream,
    fps: REDRAWS,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
    format: () => drawEvaluationBar(latest, (now() - began) / 1000, err.width ?? 80),
  })
  const drawn = bars.create(1, 0)
  const say = (text: string) => bars.log(`${text}\n`)
  return {
    event(event) {
      if (event.kind !== 'progress') return say(err.colours.dim(remarkOn(event)))
      latest = event
      drawn.setTotal(Math.max(1, event.total))
      drawn.update(event.done)
    },
    note: say,
    close() {
      bars.update()
      bars.stop()
    },
  }
}

/** Milliseconds between two lines of a log. */
const INTERVAL = 5000

function lines(err: Sink, now: () => number): EvaluationReporter {
  const began = now()
  let written = Number.NEGATIVE_INFINITY
  return {
    event(event) {
      if (event.kind !== 'progress') return err.write(`${remarkOn(event)}\n`)
      if (event.done === event.total || now() - written < INTERVAL) return
      written = now()
      const left = secondsLeft(event, (now() - began) / 1000)
      const share = Math.floor((100 * event.done) / Math.max(1, event.total))
      err.write(`${event.attack}  ${share} %${left === null ? '' : `  ${duration(left)} left`}\n`)
    },
    note: text => err.write(`${text}\n`),
    close() {},
  }
}

function remarkOn(event: Exclude<EvaluationEvent, Progress>): string {
  if (event.kind === 'worker-lost')
    return `a worker was lost on ${event.task} (${event.reason}); doing it again, attempt ${event.attempt}`
  const { model, examples, attacks, set, radii, workers, backend, remarks, finished, dir } = event
  return [
    `${model}`,
    `  ${attacks.join(', ')} in ${set} at ${radii.map(plain).join(', ')} on ${examples} examples; ${workers} ${workers === 1 ? 'worker' : 'workers'} on ${backend}`,
    ...(finished === 0 ? [] : [`  going on in ${dir}: ${finished} blocks are done`]),
    ...remarks.map(remark => `  ${remark}`),
  ].join('\n')
}
