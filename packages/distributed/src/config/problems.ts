import { SaddleError } from '@saddle/core'
import type { z } from 'zod'
import { describeType, isMapping, nodeAt, variantsFor } from './json-schema.js'
import { nearest } from './settings.js'

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** Keys joined by dots; empty for the whole configuration. */
  readonly path: string
  readonly expected: string
  readonly got: string
}

type Issue = z.core.$ZodIssue

/** What a schema check found, one problem a place, in words. */
export function problemsOf(issues: readonly Issue[], value: unknown): Problem[] {
  return issues.flatMap(issue => problemsOfIssue(issue, issue.path, value))
}

function problemsOfIssue(issue: Issue, path: readonly PropertyKey[], value: unknown): Problem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map(key => unknownKey(path, key, value))
  if (issue.code === 'invalid_union') {
    const chosen = chosenBranch(issue.errors, path, value)
    if (chosen !== null)
      return chosen.flatMap(inner => problemsOfIssue(inner, [...path, ...inner.path], value))
  }
  const node = nodeAt(path, value)
  const expected = node === null ? issue.message : describeType(node)
  return [{ path: path.join('.'), expected, got: show(valueAt(path, value)) }]
}

/** The alternative that a mapping means by its `kind`; null if it is of none, and all are to be named. */
function chosenBranch(
  branches: readonly (readonly Issue[])[],
  path: readonly PropertyKey[],
  value: unknown,
): readonly Issue[] | null {
  const here = valueAt(path, value)
  if (!isMapping(here) || here.kind === undefined) return null
  return (
    branches.find(
      issues =>
        issues.every(({ path: [first, ...rest] }) => first !== 'kind' || rest.length > 0) &&
        issues.every(issue => issue.path.length > 0 || issue.code === 'unrecognized_keys'),
    ) ?? null
  )
}

function unknownKey(path: readonly PropertyKey[], key: string, value: unknown): Problem {
  const here = valueAt(path, value)
  const node = nodeAt(path, value)
  const known =
    node === null ? [] : variantsFor(node, here).flatMap(v => Object.keys(v.properties ?? {}))
  const kind = isMapping(here) && known.includes('kind') ? ` of kind ${String(here.kind)}` : ''
  const like = nearest(key, known)
  return {
    path: [...path, key].join('.'),
    expected: `${like === null ? 'a' : `${like}, or another`} known key${kind} (${known.join(', ')})`,
    got: `the unknown key "${key}"`,
  }
}

function valueAt(path: readonly PropertyKey[], value: unknown): unknown {
  return path.reduce<unknown>(
    (here, key) => (here as Record<PropertyKey, unknown> | null | undefined)?.[key],
    value,
  )
}

/** A value as it may stand in a message: JSON of at most 60 characters. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'number') return String(value)
  const text = JSON.stringify(value) ?? typeof value
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** All problems as one CONFIG error; `fields.problems` has them one by one. */
export function configError(problems: readonly Problem[]): SaddleError {
  const lines = problems.map(
    ({ path, expected, got }) =>
      `${path === '' ? 'The configuration' : path}: expected ${expected}; got ${got}.`,
  )
  const message =
    lines.length === 1
      ? `The configuration is wrong. ${lines[0]}`
      : `The configuration is wrong in ${lines.length} places:\n${lines.map(line => `  - ${line}`).join('\n')}`
  return new SaddleError('CONFIG', message, { problems })
}
