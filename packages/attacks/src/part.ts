import { takeRows } from '@saddle/core'
import type * as tf from '@tensorflow/tfjs-core'
import type { AttackOptions } from './attack.js'

/** What an attack is called with, for some of the examples. */
export interface Part {
  readonly x: tf.Tensor2D
  readonly y: tf.Tensor1D
  readonly options: AttackOptions
}

/**
 * The examples at places `rows` of a batch: their inputs and labels, their part of what the options hold by example. Since
 * randomness is keyed by example, an attack finds for them what it finds in the whole batch. `x` and `y` belong to
 * the caller.
 */
export function partOf(
  x: tf.Tensor2D,
  y: tf.Tensor1D,
  options: AttackOptions,
  rows: readonly number[],
): Part {
  return { x: takeRows(x, rows), y: takeRows(y, rows), options: optionsAt(options, rows) }
}

/** The options for the examples at places `rows`: their part of the key, of the criterion and of the starting points. */
export function optionsAt(options: AttackOptions, rows: readonly number[]): AttackOptions {
  const { key, criterion, startingPoints } = options
  return {
    ...options,
    key: { ...key, examples: rows.map(row => key.examples[row]!) },
    ...(criterion === undefined ? {} : { criterion: criterion.atRows(rows) }),
    ...(startingPoints === undefined
      ? {}
      : { startingPoints: rows.map(row => startingPoints[row]!) }),
  }
}

/** Places of the entries that are 0, in ascending order. */
export function placesOfZero(flags: ArrayLike<number>): number[] {
  const places: number[] = []
  for (let i = 0; i < flags.length; i++) if (flags[i] === 0) places.push(i)
  return places
}
