import { openStream, SaddleError, type Stream } from '@saddle/core'
import type { AttackKey, AttackOptions } from '../attack.js'

/** One stream an example, by its index in the data set and not by its place in the batch. */
export function startStreams(key: AttackKey, restart: number): Stream[] {
  const { seed, purpose, step } = key
  return Array.from(key.examples, example => openStream({ seed, purpose, step, example, restart }))
}

/** @throws SaddleError STOPPED if the signal was given. */
export function stopIfAsked(signal: AttackOptions['signal']): void {
  if (signal?.aborted)
    throw new SaddleError('STOPPED', 'The attack was stopped between two steps, on request.')
}
