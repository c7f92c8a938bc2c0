import { SaddleError } from '@saddle/core'
import type { Numbers } from './collective.js'

/** Native code sees an address and a count, so class and length are looked at here. */
type NumberClass = 'Float32Array' | 'Float64Array' | 'Int32Array' | 'Uint8Array'

export const SUMMED = ['Float32Array', 'Float64Array', 'Int32Array'] as const
export const COMPARED = ['Float64Array', 'Int32Array'] as const
export const SENT = ['Float32Array', 'Float64Array', 'Int32Array', 'Uint8Array'] as const

/** @throws SaddleError SHAPE unless `values` is of one of the classes; Buffers pass as Uint8Array. */
export function requireNumbers(
  operation: string,
  values: Numbers,
  classes: readonly NumberClass[],
): void {
  const name = classOf(values)
  if (classes.some(c => c === name)) return
  throw new SaddleError(
    'SHAPE',
    `${operation}: expected ${classes.join(' or ')}, got ${name ?? typeof values}.`,
    { operation, got: name ?? typeof values },
  )
}

/** @throws SaddleError RANGE unless it is a rank. */
export function requireRoot(root: number, size: number): void {
  if (Number.isInteger(root) && root >= 0 && root < size) return
  throw new SaddleError(
    'RANGE',
    `broadcast: expected the root to be one of the ranks 0 … ${size - 1}, got ${root}.`,
    { root, size },
  )
}

/** @throws SaddleError SHAPE unless there is a count for every rank, none negative, and all fill the array. */
export function requireCounts(
  length: number,
  counts: readonly number[],
  size: number,
  operation = 'allgatherv',
): void {
  const sum = counts.reduce((a, b) => a + b, 0)
  const natural = counts.every(c => Number.isSafeInteger(c) && c >= 0)
  if (counts.length === size && natural && sum === length) return
  throw new SaddleError(
    'SHAPE',
    `${operation}: expected ${size} counts, one a rank, that add up to the array's ${length} numbers, got ` +
      `${counts.length} that add up to ${sum}${natural ? '' : ', not all of them whole and positive'}.`,
    { length, counts, size },
  )
}

/** @throws SaddleError SHAPE unless both arrays are of one class and have a count for every rank. */
export function requireExchange(
  { send, sendCounts, receive, receiveCounts }: Exchanged,
  size: number,
): void {
  requireNumbers('alltoallv', send, SENT)
  requireNumbers('alltoallv', receive, [classOf(send) as NumberClass])
  requireCounts(send.length, sendCounts, size, 'alltoallv, sent')
  requireCounts(receive.length, receiveCounts, size, 'alltoallv, received')
}

/** What `alltoallv` takes. */
export interface Exchanged {
  readonly send: Numbers
  readonly sendCounts: readonly number[]
  readonly receive: Numbers
  readonly receiveCounts: readonly number[]
}

/** @throws SaddleError RANGE unless it is an exit code that says that something failed. */
export function requireExitCode(code: number): void {
  if (Number.isInteger(code) && code >= 1 && code <= 255) return
  throw new SaddleError('RANGE', `abort: expected an exit code from 1 to 255, got ${code}.`, {
    code,
  })
}

/** The class by its internal slot, so that subclasses and arrays of other realms count as what they are. */
export function classOf(values: unknown): string | undefined {
  const tag = Object.getOwnPropertyDescriptor(
    Object.getPrototypeOf(Uint8Array.prototype),
    Symbol.toStringTag,
  )!
  return tag.get!.call(values) as string | undefined
}
