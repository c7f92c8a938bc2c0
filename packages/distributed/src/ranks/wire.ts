import { fromWire, SaddleError, toWire } from '@saddle/core'

/**
 * An error as text for other ranks, `place` saying whose it was.
 */
export function textToWire(error: unknown, place: string): string {
  const known = toWire(error)
  if (known !== null) return JSON.stringify({ ...known, place })
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  return JSON.stringify({ message, stack, place })
}

/** The inverse: an error that names the rank that it came from. */
export function wireToError(text: string): Error {
  const wire = JSON.parse(text) as { message: string; stack?: string; place: string }
  const known = fromWire(wire)
  const message = `${wire.place}: ${wire.message}`
  if (known !== null)
    return new SaddleError(known.code, message, { ...known.fields, place: wire.place })
  const error = new Error(message)
  if (wire.stack !== undefined) error.stack = wire.stack
  return error
}
