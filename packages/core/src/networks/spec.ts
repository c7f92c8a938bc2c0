import { SaddleError } from '../errors.js'
import type { NetworkSpec } from './network.js'

/** @throws SaddleError RANGE unless every size of the spec is a positive integer. */
export function requireCounts(spec: NetworkSpec): void {
  for (const key of ['inputs', 'width', 'depth', 'outputs'] as const)
    if (!Number.isSafeInteger(spec[key]) || spec[key] < 1)
      throw new SaddleError(
        'RANGE',
        `The network's ${key} must be a positive integer, got ${spec[key]}.`,
        { [key]: spec[key] },
      )
}
