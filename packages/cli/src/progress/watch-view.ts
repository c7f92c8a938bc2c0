import cliProgress, { type SingleBar } from 'cli-progress'
import type { Watched } from '../cluster/watched.js'
import { duration, figure, percent } from '../format.js'
import type { Sink } from '../terminal.js'
import { drawBar } from './bar.js'
import { describe } from './lines.js'

/** Shows how watched runs stand, over and over. */
export interface WatchView {
  show(runs: readonly Watched[]): void
  close(): void
}

/** A bar for each run at a terminal, which stays where it is; elsewhere lines, for runs that changed only. */
export function watchView(sink: Sink): WatchView {
  return sink.interactive ? barsView(sink) : linesView(sink)
}

function barsView(sink: Sink): WatchView {
  const bars = new cliProgress.MultiBar({
    stream: sink.stream as NodeJS.WriteStream,
    fps: 8,
    hideCursor: true,
    gracefulExit: false,
    format: (_options, _params, payload: { text?: string }) => payload.text ?? '',
  })
  const shown: SingleBar[] = []
  return {
    show(runs) {
      const width = sink.width ?? 80
      const lines = runs.flatMap(run => [barOf(run, width), ...rankLines(run)])
      while (shown.length < lines.length) shown.push(bars.create(1, 0, { text: '' }))
      for (const [index, bar] of shown.entries())
        bar.update(0, { text: (lines[index] ?? '').slice(0, width) })
      bars.update()
    },
    close() {
      bars.update()
      bars.stop()
    },
  }
}

function linesView(sink: Sink): WatchView {
  const written = new Map<string, string>()
  return {
    show(runs) {
      for (const run of runs) {
        const line = [lineOf(run), ...rankLines(run)].join('\n')
        if (written.get(run.dir) !== line) sink.write(`${line}\n`)
        written.set(run.dir, line)
      }
    },
    close() {},
  }
}

function barOf(run: Watched, width: number): string {
  if (run.phase === 'running' && run.silence === null) return drawBar(run.name, run.progress, width)
  return lineOf(run)
}

/** `  rank 1  checkpoint 40, 0:12 ago`, for each of several. */
export function rankLines({ ranks }: Watched): string[] {
  return ranks.map(({ rank, message, ago }) => `  rank ${rank}  ${message}, ${duration(ago)} ago`)
}

/** `width=64  running  step 34/150  loss 0.1234  robust accuracy 45.3 %  0:47 left`. */
export function lineOf({
  name,
  phase,
  progress,
  summary,
  label,
  silence,
  holder,
}: Watched): string {
  const figures = () =>
    describe(
      label,
      phase === 'running' && silence === null ? progress : { ...progress, secondsLeft: null },
    )
  if (phase === 'absent') return `${name}  not begun`
  if (silence !== null)
    return `${name}  no news from ${holder?.host} for ${Math.round(silence)} s  ${figures()}`
  if (phase !== 'done' || summary === null) return `${name}  ${phase}  ${figures()}`
  const { stepsDone, train, test } = summary
  const parts = [
    ...(train === null ? [] : [`training loss ${figure(train.robustLoss)}`]),
    ...(train === null ? [] : [`robust accuracy ${percent(train.robustAccuracy)}`]),
    ...(test === null ? [] : [`on test ${percent(test.robustAccuracy)}`]),
  ]
  return [`${name}  done  step ${stepsDone}/${stepsDone}`, ...parts].join('  ')
}
