import { openStream, shuffle } from '@saddle/core'

/**
 * The examples of the t-th mini-batch, that of step t unless a recipe replays some. Full batch: all of them in data order, as in the theorems. Mini-batch of size b: epoch
 * e = ⌊t / ⌈n/b⌉⌋ goes through a permutation keyed by (seed, e), b examples a step, the last step of an epoch
 * takes what is left. A function of (seed, t) only, so that a resumed run sees the same batches.
 */
export function batchAt(
  step: number,
  count: number,
  batch: 'full' | number,
  seed: number,
): Int32Array {
  if (batch === 'full' || batch >= count) return Int32Array.from({ length: count }, (_, i) => i)
  const perEpoch = Math.ceil(count / batch)
  const epoch = Math.floor(step / perEpoch)
  const first = (step % perEpoch) * batch
  const permutation = shuffle(openStream({ seed, purpose: 'batches', step: epoch }), count)
  return permutation.slice(first, first + batch)
}
