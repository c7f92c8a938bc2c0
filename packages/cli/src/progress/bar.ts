import cliProgress from 'cli-progress'
import { accuracyName, duration, figure, percent } from '../format.js'
import type { Sink } from '../terminal.js'
import { type Reporter, remarkOn } from './reporter.js'
import { advance, type ProgressState, waiting } from './state.js'

const { MultiBar } = cliProgress

/** Redraws a second; shards move the bar inside a step. */
const REDRAWS = 8

/** One bar at the bottom of the terminal, with remarks scrolling away above it. */
export function barReporter(err: Sink): Reporter {
  let state = waiting
  let label = ''
  const bars = new MultiBar({
    stream: err.stream as NodeJS.WriteStream,
    fps: REDRAWS,
    hideCursor: true,
    clearOnComplete: true,
    // Signals are the command's own business; it closes the bar itself.
    gracefulExit: false,
    format: () => drawBar(label, state, err.width ?? 80),
  })
  const bar = bars.create(1, 0)
  const say = (text: string) => bars.log(`${text}\n`)
  return {
    event(part, event) {
      label = part.label
      state = advance(state, event)
      const remark = remarkOn(part, event)
      if (remark !== null) say(err.colours.dim(remark))
      bar.setTotal(Math.max(1, state.steps))
      bar.update(state.done)
    },
    note: say,
    close() {
      bars.update()
      bars.stop()
    },
  }
}

/**
 * `pgd-5 ███████─── 34/150  loss 0.1234  robust 45.3 %  ‖ΔW‖ 3.21/4  0:47 left`, at most `width` columns: figures at the
 * end give way first, then the bar shrinks.
 */
export function drawBar(label: string, state: ProgressState, width: number): string {
  const evaluating = state.phase === 'evaluating'
  const { part, done, total } = state.evaluating
  const share = evaluating ? done / total : state.done / Math.max(1, state.steps)
  const figures = evaluating
    ? [`evaluating on ${part}  ${Math.floor(done)}/${total}`]
    : trainingFigures(label, state)
  while (figures.length > 1 && lengthOf(label, figures) + SHORTEST > width) figures.pop()
  const room = Math.max(SHORTEST, Math.min(LONGEST, width - lengthOf(label, figures)))
  const full = Math.round(room * Math.min(1, share))
  const bar = '█'.repeat(full) + '─'.repeat(room - full)
  return `${label} ${bar} ${figures.join('  ')}`.slice(0, width)
}

const SHORTEST = 5
const LONGEST = 30

/** Columns of everything but the bar. */
function lengthOf(label: string, figures: readonly string[]): number {
  return label.length + 2 + figures.join('  ').length + 1
}

function trainingFigures(label: string, state: ProgressState): string[] {
  const { phase, done, steps, loss, robustAccuracy, distance, radius, secondsLeft } = state
  if (phase === 'waiting') return ['preparing']
  const figures = [`${Math.floor(done)}/${steps}`]
  if (loss !== null) figures.push(`loss ${figure(loss)}`)
  if (robustAccuracy !== null) figures.push(`${accuracyName(label)} ${percent(robustAccuracy)}`)
  if (secondsLeft !== null) figures.push(`${duration(secondsLeft)} left`)
  if (distance !== null)
    figures.push(`‖ΔW‖ ${figure(distance)}${radius === null ? '' : `/${radius}`}`)
  return figures
}
