import { z } from 'zod'
import { fileSchema } from './schema.js'

/** A node of the JSON Schema of a configuration: the few keywords that it uses. */
export interface SchemaNode {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly SchemaNode[]
  readonly oneOf?: readonly SchemaNode[]
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly items?: SchemaNode
  readonly minItems?: number
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly default?: unknown
  readonly description?: string
}

let cached: SchemaNode | null = null

/** The schema of a configuration as a user writes it: what has a default may be left out. */
export function schemaRoot(): SchemaNode {
  cached ??= z.toJSONSchema(fileSchema, {
    io: 'input',
    // Integers are bounded by what a float64 holds: true, but noise in an editor.
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
    },
  }) as SchemaNode
  return cached
}

/** JSON Schema (draft 2020-12) of a configuration as a user writes it, for editors. A copy of the caller's own. */
export function jsonSchema(): object {
  return structuredClone(schemaRoot())
}

/** The alternatives of a node: itself, if it has none. */
export function variantsOf(node: SchemaNode): readonly SchemaNode[] {
  return node.oneOf ?? node.anyOf ?? [node]
}

/** What `kind` must be in this variant of a discriminated union; undefined for other nodes. */
export function kindOf(node: SchemaNode): unknown {
  return node.properties?.kind?.const
}

/**
 * The variants of a node that a value is of: by its `kind`, else those of its own JSON type, else all of them.
 */
export function variantsFor(node: SchemaNode, value: unknown): readonly SchemaNode[] {
  const variants = variantsOf(node)
  if (!isMapping(value)) return variants
  const ofKind = variants.filter(v => kindOf(v) === value.kind && v.properties !== undefined)
  const mappings = variants.filter(v => v.properties !== undefined)
  return ofKind.length > 0 ? ofKind : mappings.length > 0 ? mappings : variants
}

/** The node at `path` inside the schema, on the way that `value` takes through its alternatives. */
export function nodeAt(path: readonly PropertyKey[], value: unknown): SchemaNode | null {
  let node: SchemaNode = schemaRoot()
  let here = value
  for (const key of path) {
    const next = variantsFor(node, here)
      .map(v => (typeof key === 'number' ? v.items : v.properties?.[String(key)]))
      .filter(v => v !== undefined)
    if (next.length === 0) return null
    node = next.length === 1 ? next[0]! : { oneOf: next }
    here = (here as Record<PropertyKey, unknown> | null | undefined)?.[key]
  }
  return node
}

/** What a node accepts, in words: `a whole number > 0, or null`. */
export function describeType(node: SchemaNode): string {
  return phrases(node).join(', or ')
}

function phrases(node: SchemaNode): string[] {
  const variants = variantsOf(node)
  const names = variants.filter(v => v.const !== undefined).map(v => String(v.const))
  const kinds = variants.map(kindOf).filter(kind => kind !== undefined)
  const others = variants.filter(v => v.const === undefined && kindOf(v) === undefined)
  return [
    ...(names.length === 0 ? [] : [names.join(' | ')]),
    ...new Set(others.flatMap(describeOne)),
    ...(kinds.length === 0 ? [] : [`a mapping with kind: ${kinds.join(' | ')}`]),
  ]
}

function describeOne(node: SchemaNode): string[] {
  if (node.oneOf !== undefined || node.anyOf !== undefined) return phrases(node)
  if (node.enum !== undefined) return [node.enum.join(' | ')]
  const { type, items = {}, minItems, required = [] } = node
  if (type === 'array') {
    const length = minItems === undefined ? '' : ` of at least ${minItems}`
    return [`a list${length}, each ${phrases(items).join(' or ')}`]
  }
  if (type === 'object')
    return [required.length === 0 ? 'a mapping' : `a mapping with ${required.join(', ')}`]
  const limits = [
    node.minimum === undefined ? [] : [`≥ ${node.minimum}`],
    node.exclusiveMinimum === undefined ? [] : [`> ${node.exclusiveMinimum}`],
    node.exclusiveMaximum === undefined ? [] : [`< ${node.exclusiveMaximum}`],
  ].flat()
  return [type ?? '']
    .flat()
    .map(one => `${TYPE_WORDS[one] ?? 'anything'} ${limits.join(' and ')}`.trim())
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true | false',
  null: 'null',
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
