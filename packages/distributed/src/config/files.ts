import { resolve } from 'node:path'
import type { Config } from './schema.js'

/** Keys of `data.source` that name files, over all kinds of source. */
const FILE_KEYS: readonly string[] = [
  'images',
  'labels',
  'testImages',
  'testLabels',
  'inputs',
  'testInputs',
  'file',
  'testFile',
]

type Source = Config['data']['source']

/** The configuration with every path in it absolute, so that it means the same from any folder. */
export function absolutePaths(config: Config, directory: string): Config {
  const { data, monitor } = config
  const { comparator } = monitor
  return {
    ...config,
    data: { ...data, source: mapFiles(data.source, file => resolve(directory, file)) },
    monitor: { comparator: comparator === null ? null : resolve(directory, comparator) },
  }
}

/** The source without its files: what they hold is another matter. */
export function withoutFiles(source: Source): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(source).filter(([key]) => !FILE_KEYS.includes(key)))
}

function mapFiles(source: Source, map: (file: string) => string): Source {
  const entries = Object.entries(source).map(([key, value]) =>
    FILE_KEYS.includes(key) && typeof value === 'string' ? [key, map(value)] : [key, value],
  )
  return Object.fromEntries(entries) as Source
}
