import { SaddleError } from '../errors.js'
import type { RowRange } from '../tensors/matrix.js'
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

/** The rows of a trained matrix of `rows` that are to be held: all, or those asked for where one layer is cut. */
export function heldRows(
  { depth }: NetworkSpec,
  rows: number,
  asked: RowRange = { start: 0, stop: rows },
): RowRange {
  const { start, stop } = asked
  const whole = start === 0 && stop === rows
  if (depth > 1 && !whole)
    throw new SaddleError(
      'SHAPE',
      `Neurons ${start}..${stop} alone: expected one hidden layer, got ${depth}, in which a row needs every neuron below.`,
      { depth, start, stop },
    )
  if (!(0 <= start && start < stop && stop <= rows))
    throw new SaddleError(
      'RANGE',
      `Neurons to hold: expected 0 ≤ start < stop ≤ ${rows}, got ${start}..${stop}.`,
      { start, stop, rows },
    )
  return asked
}
