import { SaddleError } from '@saddle/core'

const FORMS =
  'minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes or days-hours:minutes:seconds'

/**
 * Seconds of a time limit as Slurm writes it: `90`, `90:00`, `1:30:00`, `1-12`, `1-12:30`, `1-12:30:00`; null for
 * UNLIMITED.
 *
 * @throws SaddleError CONFIG if `text` is none of these, or is 0.
 */
export function parseTimeLimit(text: string): number | null {
  if (/^(unlimited|infinite)$/i.test(text)) return null
  const seconds = secondsOf(text)
  if (seconds > 0) return seconds
  throw new SaddleError(
    'CONFIG',
    `Time limit "${text}": expected ${FORMS}, and more than 0. Two hours are 2:00:00.`,
    { time: text },
  )
}

function secondsOf(text: string): number {
  const match = /^(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$/.exec(text)
  if (match === null) return Number.NaN
  const [, days, ...parts] = match
  const [first = 0, second = 0, third = 0] = parts.map(part => Number(part ?? 0))
  if (days !== undefined) return Number(days) * 86400 + first * 3600 + second * 60 + third
  // Without days a single number is minutes, two are minutes:seconds.
  if (parts[2] !== undefined) return first * 3600 + second * 60 + third
  return first * 60 + second
}
