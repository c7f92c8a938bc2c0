import { createRequire } from 'node:module'

/** What TensorFlow.js 4.22 still calls of node:util, and Node 23 took away. */
const OLD = {
  isNullOrUndefined: (value: unknown): boolean => value === null || value === undefined,
  isArray: (value: unknown): boolean => Array.isArray(value),
}

/** Puts back those functions of node:util that this Node no longer has. To be called before the package loads. */
export function restoreOldUtilities(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>
  for (const [name, replacement] of Object.entries(OLD)) util[name] ??= replacement
}
