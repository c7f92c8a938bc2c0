import { createRequire } from 'node:module'

/** Saddle's version, as in its package.json. */
export const version: string = createRequire(import.meta.url)('../package.json').version
