import type { Range } from '../replica/shards.js'

/**
 * Shards of examples are dealt to ranks round by round: a round takes the next Σ shares of them, in example order, and
 * gives rank p a run of `shares[p]`. What ranks have to send each other of a round is then one run a rank, in example
 * order, and goes out while the next round is attacked.
 *
 * Who attacks a shard changes no bit of what comes of it: shards are the same for any number of ranks.
 */

/** total split by weights, by largest remainders (the lower rank where they are equal); adds up to `total`. */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0)
  const exact = weights.map(weight => (total * weight) / sum)
  const parts = exact.map(Math.floor)
  const left = total - parts.reduce((a, b) => a + b, 0)
  const byRemainder = weights
    .map((_, rank) => rank)
    .sort((a, b) => exact[b]! - parts[b]! - (exact[a]! - parts[a]!) || a - b)
  for (const rank of byRemainder.slice(0, left)) parts[rank]!++
  return parts
}

/** One run of indices a rank, in the order of ranks. */
export type Round = readonly Range[]

/** The rounds of `count` shards; the last round has what is left, dealt in the same proportion. */
export function dealRounds(count: number, shares: readonly number[]): Round[] {
  const perRound = shares.reduce((a, b) => a + b, 0)
  const rounds: Round[] = []
  for (let first = 0; first < count; first += perRound) {
    const left = Math.min(perRound, count - first)
    let start = first
    rounds.push(
      (left === perRound ? shares : apportion(left, shares)).map(share => {
        const range = { start, stop: start + share }
        start += share
        return range
      }),
    )
  }
  return rounds
}
