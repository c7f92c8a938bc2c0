import { SaddleError } from '@saddle/core'
import { parseDocument } from 'yaml'
import { isMapping, nodeAt } from './json-schema.js'
import { nearest, settings } from './settings.js'

/**
 * Applies `path=value` settings, left to right, to a configuration as it was read. Values are YAML:
 * `descent.steps=10`, `data.classes=[3, 8]`, `attack={kind: fgsm}`. A mapping that the configuration leaves out
 * starts from its default, so that `attack.steps=3` keeps the default kind.
 *
 * @throws SaddleError CONFIG if a setting has no `=`, is not YAML, or its path is unknown (with the nearest one).
 */
export function applyOverrides(value: unknown, overrides: readonly string[]): unknown {
  return overrides.reduce(applyOne, value)
}

function applyOne(root: unknown, override: string): unknown {
  const at = override.indexOf('=')
  if (at < 1)
    throw new SaddleError(
      'CONFIG',
      `Setting "${override}": expected path=value, such as descent.steps=10. Write it without spaces around the =.`,
      { override },
    )
  const path = override.slice(0, at).trim()
  refuseUnknown(path, override)
  return put(root, path.split('.'), [], root, parseValue(override.slice(at + 1), override))
}

function refuseUnknown(path: string, override: string): void {
  const known = settings().map(setting => setting.path)
  if (known.includes(path)) return
  const like = nearest(path, known)
  throw new SaddleError(
    'CONFIG',
    `Setting "${override}": there is no setting "${path}". ${
      like === null
        ? `Expected a path such as ${known.slice(0, 3).join(', ')}; see the configuration reference.`
        : `The nearest is "${like}".`
    }`,
    { override, path, nearest: like },
  )
}

function parseValue(text: string, override: string): unknown {
  const document = parseDocument(text)
  const error = document.errors[0]
  if (error === undefined) return document.toJS()
  throw new SaddleError(
    'CONFIG',
    `Setting "${override}": the value is not YAML (${error.message.split('\n')[0]}). Quote text that holds : or #.`,
    { override },
  )
}

/** A copy of `here` with `value` at the keys `ahead`; `behind` are the keys that led to it. */
function put(
  here: unknown,
  ahead: readonly string[],
  behind: readonly string[],
  root: unknown,
  value: unknown,
): unknown {
  const [key, ...rest] = ahead
  if (key === undefined) return value
  const whole = here ?? nodeAt(behind, root)?.default ?? {}
  const mapping = isMapping(whole) ? whole : {}
  return { ...mapping, [key]: put(mapping[key], rest, [...behind, key], root, value) }
}
