import { SaddleError } from './errors.js'

/** One entry of a table of things that a configuration names: `relu`, or with a parameter `softplus:4`. */
export type NamedEntry<T> =
  | { readonly make: () => T }
  | { readonly parameter: number; readonly make: (parameter: number) => T }

/**
 * Looks `name` up in a table: `key`, or `key:parameter` for entries that have a default parameter. Parameters
 * are positive and finite.
 *
 * @param kind what the table holds, for messages: `activation`, `loss`
 * @throws SaddleError CONFIG if the name is unknown or its parameter is wrong; the message lists the names.
 */
export function fromNamed<T>(
  kind: string,
  table: Readonly<Record<string, NamedEntry<T>>>,
  name: string,
): T {
  const known = Object.entries(table)
    .map(([key, entry]) => ('parameter' in entry ? `${key}:${entry.parameter}` : key))
    .join(', ')
  const refuse = (reason: string) =>
    new SaddleError(
      'CONFIG',
      `Wrong ${kind} "${name}": ${reason}. Expected one of ${known}; the number after a colon is a default and may be any positive number.`,
      { kind, name },
    )
  const [key = '', text, ...rest] = name.split(':')
  const entry = Object.hasOwn(table, key) ? table[key] : undefined
  if (entry === undefined || rest.length > 0) throw refuse('no such name')
  if (!('parameter' in entry)) {
    if (text !== undefined) throw refuse(`${key} takes no parameter`)
    return entry.make()
  }
  const parameter = text === undefined ? entry.parameter : text.trim() === '' ? Number.NaN : +text
  if (!(parameter > 0 && Number.isFinite(parameter)))
    throw refuse(`"${text}" is not a positive number`)
  return entry.make(parameter)
}
