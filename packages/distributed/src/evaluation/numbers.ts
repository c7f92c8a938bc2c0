import { SaddleError } from '@saddle/core'

/**
 * Radii from text, `0.1,0.2` or `4/255,8/255`, in ascending order.
 *
 * @throws SaddleError CONFIG at the first that is no number ≥ 0, or occurs twice.
 */
export function parseRadii(text: string): number[] {
  return checkRadii(text.split(',').map(radius), text)
}

function radius(text: string): number {
  const [numerator, denominator, ...rest] = text.split('/')
  const plain = (part: string | undefined) =>
    part?.trim() === '' || part === undefined ? Number.NaN : Number(part)
  const value = denominator === undefined ? plain(text) : plain(numerator) / plain(denominator)
  if (rest.length === 0 && value >= 0 && Number.isFinite(value)) return value
  throw new SaddleError(
    'CONFIG',
    `Radius "${text.trim()}": expected a number ≥ 0 such as 0.1 or 8/255, in the units of the inputs.`,
    { radius: text },
  )
}

/** Radii in ascending order. @throws SaddleError CONFIG if there is none, or one is negative or occurs twice. */
export function checkRadii(radii: readonly number[], shown = radii.join(',')): number[] {
  const sorted = [...radii].sort((a, b) => a - b)
  const wrong = sorted.find((value, i) => !(value >= 0) || value === sorted[i - 1])
  if (sorted.length > 0 && wrong === undefined && Number.isFinite(sorted.at(-1))) return sorted
  throw new SaddleError(
    'CONFIG',
    `Radii ${shown}: expected at least one, each a number ≥ 0 and named once${wrong === undefined ? '' : `; ${wrong} is not`}.`,
    { radii },
  )
}

/** Which examples of a part: the first so many, a range without its end, or a list of indices from 0. */
export type ExampleChoice =
  | { readonly first: number }
  | { readonly from: number; readonly to: number }
  | { readonly list: readonly number[] }

/**
 * `200`: the first 200. `100:300`: those from 100 to 299. `3,14,15`: these; a list of one is `3,`.
 *
 * @throws SaddleError CONFIG for anything else.
 */
export function parseExamples(text: string): ExampleChoice {
  if (/^\d+$/.test(text)) return { first: Number(text) }
  const [, from, to] = /^(\d*):(\d*)$/.exec(text) ?? []
  if (from !== undefined && to !== undefined)
    return {
      from: Number(from),
      to: to === '' ? Number.POSITIVE_INFINITY : Number(to),
    }
  if (/^\d+(,\d+)*,?$/.test(text)) return { list: text.split(',').filter(Boolean).map(Number) }
  throw new SaddleError(
    'CONFIG',
    `Examples "${text}": expected a number for the first so many, a range such as 100:300, or indices such as 3,14,15.`,
    { examples: text },
  )
}

/**
 * Indices of the chosen examples, ascending.
 *
 * @throws SaddleError CONFIG if there are not so many, none is left, or one is named twice.
 */
export function chooseExamples(choice: ExampleChoice | undefined, count: number): Int32Array {
  const indices = listed(choice ?? { first: count }, count).sort((a, b) => a - b)
  const wrong = indices.find((index, k) => index >= count || index === indices[k - 1])
  if (wrong === undefined && indices.length > 0) return Int32Array.from(indices)
  throw new SaddleError(
    'CONFIG',
    `--examples asks for ${wrong === undefined ? 'no example' : `example ${wrong}${wrong < count ? ' twice' : ''}`}, and there are ` +
      `${count}, numbered from 0. Choose among these.`,
    { count },
  )
}

function listed(choice: ExampleChoice, count: number): number[] {
  if ('list' in choice) return [...choice.list]
  const [from, to] =
    'first' in choice ? [0, choice.first] : [choice.from, Math.min(choice.to, count)]
  if ('first' in choice && to > count) return [count]
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
}
