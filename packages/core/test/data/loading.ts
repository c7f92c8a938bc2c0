import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DataSpec, type DataSplit, loadData } from '@saddle/core'
import type { Test } from 'tap'

export type Files = Record<string, Uint8Array | string>
export type Expected = { code: string; message: RegExp; fields?: object }

/** A spec that leaves inputs as the file has them. */
export function plain(source: DataSpec['source'], more: Partial<DataSpec> = {}): DataSpec {
  const base = { classes: null, labels: 'classes', count: null, testCount: null, pool: 1 } as const
  return { ...base, source, sphere: { kind: 'none' }, ...more }
}

/** Writes `files` to a folder of their own and loads `spec` from there. */
export async function load(t: Test, files: Files, spec: DataSpec): Promise<DataSplit> {
  const directory = t.testdir()
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  return loadData(spec, { seed: 0, directory })
}

export function refuses(t: Test, files: Files, spec: DataSpec, expected: Expected) {
  return t.rejects(load(t, files, spec), expected)
}
