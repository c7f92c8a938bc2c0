import { InvalidArgumentError } from 'commander'

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
