import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The words that start this Saddle again, from any folder: this Node, and this copy's bin/saddle.js. */
export function ownCommand(): readonly string[] {
  return [process.execPath, fileURLToPath(new URL('../../bin/saddle.js', import.meta.url))]
}

/** Of this package. */
export function ownVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
