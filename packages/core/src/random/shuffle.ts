import { SaddleError } from '../errors.js'
import type { Stream } from './stream.js'

/**
 * 0..count−1 in a random order, all orders equally likely (Fisher–Yates): for i = count − 1 down to 1, entry i changes
 * places with an entry j uniform in 0..i. O(count).
 *
 * @throws SaddleError RANGE unless `count` is an integer in 0..2^31 − 1.
 */
export function shuffle(stream: Stream, count: number): Int32Array {
  if (!(Number.isInteger(count) && count >= 0 && count < 2 ** 31))
    throw new SaddleError(
      'RANGE',
      `The count of things to shuffle must be an integer in 0..2^31 - 1, got ${count}.`,
      { count },
    )
  const order = Int32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = below(stream, i + 1)
    const held = order[i]!
    order[i] = order[j]!
    order[j] = held
  }
  return order
}

/** An integer uniform in 0..bound−1, without bias: words of the incomplete last range of `bound` are drawn again. */
function below(stream: Stream, bound: number): number {
  const limit = 2 ** 32 - (2 ** 32 % bound)
  for (;;) {
    const word = stream.uint32()
    if (word < limit) return word % bound
  }
}
