import { InvalidArgumentError } from 'commander'
import { type Host, parseHosts } from '../cluster/hosts.js'
import { parseTimeLimit } from '../cluster/time-limit.js'

/** Parsers for commander: they say what was expected, and leave the rest to the code that knows its ranges. */

export function positiveNumber(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new InvalidArgumentError(`Expected a number above 0, got "${text}".`)
}

export function positiveInteger(text: string): number {
  const value = positiveNumber(text)
  if (Number.isInteger(value)) return value
  throw new InvalidArgumentError(`Expected a whole number above 0, got "${text}".`)
}

export function nonNegativeInteger(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new InvalidArgumentError(`Expected a whole number, 0 or above, got "${text}".`)
}

/** A time limit as it was written; its form is checked. */
export function timeLimit(text: string): string {
  try {
    parseTimeLimit(text)
    return text
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

export function hostList(text: string): readonly Host[] {
  try {
    return parseHosts(text)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

/** Any text; collects, for an option that may be given many times. */
export function collected(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

/** One `path=value`; collects, since --set may be given many times. */
export function assignment(text: string, before: readonly string[] = []): readonly string[] {
  if (/^[^=\s]+=/.test(text)) return [...before, text]
  throw new InvalidArgumentError(`Expected path=value such as descent.steps=200, got "${text}".`)
}

/** Names with commas between. */
export function namesIn(text: string): readonly string[] {
  const names = text.split(',').map(name => name.trim())
  if (names.every(name => name !== '')) return names
  throw new InvalidArgumentError(`Expected names with commas between, got "${text}".`)
}
