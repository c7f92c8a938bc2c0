import { distance } from 'fastest-levenshtein'
import { describeType, kindOf, type SchemaNode, schemaRoot, variantsOf } from './json-schema.js'

/** One setting of a configuration, as the reference page lists it. */
export interface Setting {
  /** Keys joined by dots: `descent.stepSize`. */
  readonly path: string
  /** The kinds of the enclosing mapping that have this setting; empty if all have. */
  readonly kinds: readonly string[]
  readonly type: string
  readonly required: boolean
  /** undefined: none. */
  readonly default: unknown
  readonly description: string
}

/** Every setting there is, parents before their children. */
export function settings(): readonly Setting[] {
  cached ??= childrenOf(schemaRoot(), '')
  return cached
}

let cached: readonly Setting[] | null = null

function childrenOf(node: SchemaNode, prefix: string): Setting[] {
  const found = new Map<string, { node: SchemaNode; kinds: string[]; required: boolean }[]>()
  for (const variant of variantsOf(node)) {
    for (const [key, child] of Object.entries(variant.properties ?? {})) {
      const kind = kindOf(variant)
      const kinds = kind === undefined ? [] : [String(kind)]
      const required = variant.required?.includes(key) ?? false
      const alike = found.get(key) ?? []
      const same = alike.find(one => key === 'kind' || isSame(one.node, child))
      if (same === undefined) found.set(key, [...alike, { node: child, kinds, required }])
      else same.kinds.push(...kinds)
    }
  }
  return [...found].flatMap(([key, alike]) =>
    alike.flatMap(({ node: child, kinds, required }) => {
      const path = `${prefix}${key}`
      const setting = {
        path,
        kinds: key === 'kind' || kinds.length === variantsOf(node).length ? [] : kinds,
        type: key === 'kind' && kinds.length > 0 ? kinds.join(' | ') : describeType(child),
        required,
        default: child.default,
        description: child.description ?? (kinds.length > 0 && key === 'kind' ? 'which one' : ''),
      }
      return [setting, ...childrenOf(child, `${path}.`)]
    }),
  )
}

function isSame(a: SchemaNode, b: SchemaNode): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/**
 * The known name most like `name`: by its last key, then as a whole. Null if no last key is alike, i.e. within
 * half its letters.
 */
export function nearest(name: string, known: readonly string[]): string | null {
  const last = lastKey(name)
  const ranked = known
    .map(candidate => ({
      candidate,
      byKey: distance(last, lastKey(candidate)),
      whole: distance(name, candidate),
    }))
    .filter(({ byKey }) => byKey <= Math.max(1, Math.floor(last.length / 2)))
    .sort((a, b) => a.byKey - b.byKey || a.whole - b.whole)
  return ranked[0]?.candidate ?? null
}

function lastKey(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1)
}
