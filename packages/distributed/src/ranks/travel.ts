import type { GradientForm } from '../replica/workspace.js'

/**
 * How the gradient of a matrix [rows, cols] over n examples in S shards reaches all of P ranks, with the bytes that a
 * rank sends a step, by ring algorithms:
 *
 *   gather   its factors, from which every rank forms it                          4 n (rows + cols)   (P − 1)/P
 *   order    every shard's part, row blocks to the rank that adds them in example
 *            order, then the sums: same bits for any number of ranks              4 rows cols (S/P + 1) (P − 1)/P
 *   reduce   each rank's sum over its own shards, added by an all-reduce, whose
 *            order of additions depends on P                                      4 rows cols 2       (P − 1)/P
 */
export interface Travel {
  readonly matrix: string
  readonly means: 'gather' | 'order' | 'reduce'
  /** Sent by a rank in a step. */
  readonly bytes: number
}

export interface TravelOptions {
  readonly ranks: number
  /** Shards in a batch. */
  readonly shards: number
  /** ordered: never `reduce`; fewest: `reduce` where it sends fewer bytes. */
  readonly sums: 'ordered' | 'fewest'
}

export function travelsOf(
  forms: readonly GradientForm[],
  { ranks, shards, sums }: TravelOptions,
): Travel[] {
  const others = (ranks - 1) / ranks
  return forms.map(({ name: matrix, form, factorBytes, denseBytes }) => {
    if (form === 'factors') return { matrix, means: 'gather', bytes: factorBytes * others }
    const ordered = denseBytes * (shards / ranks + 1) * others
    const reduced = denseBytes * 2 * others
    return sums === 'fewest' && reduced < ordered
      ? { matrix, means: 'reduce', bytes: reduced }
      : { matrix, means: 'order', bytes: ordered }
  })
}
