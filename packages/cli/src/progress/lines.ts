import { accuracyName, duration, figure, percent } from '../format.js'
import type { Sink } from '../terminal.js'
import { type Reporter, remarkOn } from './reporter.js'
import { advance, type ProgressState, waiting } from './state.js'

/** Milliseconds between two lines of a log. */
const INTERVAL = 5000

/**
 * Plain lines for logs and CI: one about every five seconds, and always one at the end of training and of each
 * evaluation.
 *
 * @param now milliseconds of a clock, for tests.
 */
export function lineReporter(err: Sink, now: () => number = Date.now): Reporter {
  let state = waiting
  let written = Number.NEGATIVE_INFINITY
  return {
    event(part, event) {
      state = advance(state, event)
      const remark = remarkOn(part, event)
      if (remark !== null) err.write(`${remark}\n`)
      if (event.kind !== 'step' && event.kind !== 'evaluate') return
      const last = event.kind === 'step' ? state.done === state.steps : event.done === event.total
      if (!last && now() - written < INTERVAL) return
      written = now()
      err.write(`${part.label}  ${describe(part.label, state)}\n`)
    },
    note: text => err.write(`${text}\n`),
    close() {},
  }
}

/** Where a training stands, in words: `step 34/150  loss 0.1234  robust accuracy 45.3 %`. */
export function describe(label: string, state: ProgressState): string {
  if (state.phase === 'evaluating') {
    const { part, done, total } = state.evaluating
    return `evaluating on ${part}  ${Math.floor(done)}/${total}`
  }
  const { done, steps, loss, robustAccuracy, distance, radius, secondsLeft } = state
  const parts = [`step ${Math.floor(done)}/${steps}`]
  if (loss !== null) parts.push(`loss ${figure(loss)}`)
  if (robustAccuracy !== null)
    parts.push(`${accuracyName(label)} accuracy ${percent(robustAccuracy)}`)
  if (distance !== null)
    parts.push(`‖W−W₀‖ ${figure(distance)}${radius === null ? '' : ` of ${radius}`}`)
  if (secondsLeft !== null) parts.push(`${duration(secondsLeft)} left`)
  return parts.join('  ')
}
