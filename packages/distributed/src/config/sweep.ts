import { createHash } from 'node:crypto'
import { SaddleError } from '@saddle/core'
import { absolutePaths } from './files.js'
import { isMapping } from './json-schema.js'
import { applyOverrides } from './overrides.js'
import { parseConfig } from './parse.js'
import { configError, type Problem, show } from './problems.js'
import type { Config } from './schema.js'
import { nearest, settings } from './settings.js'

/** One run of a sweep. */
export interface Cell {
  /** Its folder: `width=64,seed=1`, from its settings alone, so that it keeps its name when the sweep grows. */
  readonly name: string
  /** Dotted path to value, for the settings that are swept. */
  readonly settings: Readonly<Record<string, unknown>>
  readonly config: Config
}

/** More are refused: they would be a mistake in a list sooner than a plan. */
const MOST_CELLS = 10_000

/**
 * The cells of a configuration: {p₁: V₁, p₂: V₂, …} under `sweep` stands for one run for every element of
 * V₁ × V₂ × …, the last setting moving fastest. Null if there is no `sweep`.
 *
 * @param value the configuration as it was read.
 * @param directory what relative paths in it start at.
 * @throws SaddleError CONFIG if `sweep` is no mapping of known settings to lists, or a cell is wrong.
 */
export function cellsOf(value: unknown, directory: string): readonly Cell[] | null {
  if (!isMapping(value) || value.sweep === undefined) return null
  const { sweep, ...base } = value
  const problems = problemsOfSweep(sweep)
  if (problems.length > 0) throw configError(problems)
  const axes = Object.entries(sweep as Record<string, readonly unknown[]>)
  const points = axes.reduce<readonly Readonly<Record<string, unknown>>[]>(
    (points, [path, values]) =>
      points.flatMap(point => values.map(one => ({ ...point, [path]: one }))),
    [{}],
  )
  const short = shortNames(axes.map(([path]) => path))
  const cells = points.map(point => {
    const name = nameOf(point, short)
    const config = cellConfig(base, point, name)
    return { name, settings: point, config: absolutePaths(config, directory) }
  })
  const seen = new Set<string>()
  const twice = cells.find(({ name }) => seen.size === seen.add(name).size)
  if (twice === undefined) return cells
  throw configError([
    {
      path: 'sweep',
      expected: 'different values for each setting',
      got: `two cells ${twice.name}`,
    },
  ])
}

function cellConfig(base: unknown, point: Cell['settings'], name: string): Config {
  const overrides = Object.entries(point).map(([path, one]) => `${path}=${JSON.stringify(one)}`)
  try {
    const config = parseConfig(applyOverrides(base, overrides))
    return { ...config, name: `${config.name}-${name}` }
  } catch (error) {
    if (!(error instanceof SaddleError)) throw error
    throw new SaddleError(error.code, `sweep, cell ${name}: ${error.message}`, error.fields)
  }
}

function problemsOfSweep(sweep: unknown): Problem[] {
  const expected = 'a mapping of settings to lists of values, such as network.width: [64, 128]'
  if (!isMapping(sweep) || Object.keys(sweep).length === 0)
    return [{ path: 'sweep', expected, got: show(sweep) }]
  const problems = Object.entries(sweep).flatMap(([path, values]) => [
    ...problemsOfPath(path),
    ...(Array.isArray(values) && values.length > 0
      ? []
      : [{ path: `sweep.${path}`, expected: 'a list of at least one value', got: show(values) }]),
  ])
  if (problems.length > 0) return problems
  const count = Object.values(sweep).reduce<number>(
    (product, values) => product * (values as readonly unknown[]).length,
    1,
  )
  return count <= MOST_CELLS
    ? []
    : [{ path: 'sweep', expected: `at most ${MOST_CELLS} cells`, got: `${count}` }]
}

function problemsOfPath(path: string): Problem[] {
  const known = settings()
    .map(setting => setting.path)
    .filter(name => name !== 'sweep' && name !== 'name')
  if (known.includes(path)) return []
  const like = nearest(path, known)
  const expected = `a known setting${like === null ? ', such as network.width' : `: the nearest is ${like}`}`
  return [{ path: `sweep.${path}`, expected, got: `the unknown setting "${path}"` }]
}

/** For every path the shortest end of it that no other path ends in: `width`, `attack.steps`, `descent.steps`. */
function shortNames(paths: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    paths.map(path => {
      const keys = path.split('.')
      const ends = keys.map((_, index) => keys.slice(keys.length - 1 - index).join('.'))
      const alone = (end: string) =>
        paths.every(other => other === path || (other !== end && !other.endsWith(`.${end}`)))
      return [path, ends.find(alone) ?? path]
    }),
  )
}

/** Longer names are cut: a file's name has at most 255 bytes. */
const LONGEST = 120

function nameOf(point: Cell['settings'], short: ReadonlyMap<string, string>): string {
  const name = Object.entries(point)
    .map(([path, value]) => `${short.get(path)}=${word(value)}`)
    .join(',')
  return name.length <= LONGEST ? name : `${name.slice(0, LONGEST - 9)}-${digest(point)}`
}

/** A value as part of a folder's name; what has other letters than a name may have becomes a digest. */
function word(value: unknown): string {
  const text = isMapping(value) && typeof value.kind === 'string' ? value.kind : String(value)
  const plain = typeof value !== 'object' || value === null
  if (plain && /^[\w.+-]{1,40}$/.test(text)) return text
  const safe = text.replace(/[^\w.+-]+/g, '-').slice(0, 20)
  return `${safe}-${digest(value)}`
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 8)
}
