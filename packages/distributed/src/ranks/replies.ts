import type { AttackReply, EvaluateReply } from '../pool/messages.js'
import type { Range } from '../replica/shards.js'
import { startsOf } from './ranks.js'

/**
 * What shards came to as float64 numbers, which hold float32 exactly: after `extra` numbers of the rank itself, for each
 * of its shards the losses, the flags, and where there is a comparator its two sums.
 */
const EXTRA = 2

interface IndexedRange extends Range {
  readonly index: number
}

/** Numbers that a rank sends for these shards. */
export function packedLength(shards: readonly Range[], compared: boolean): number {
  const examples = shards.reduce((sum, { start, stop }) => sum + stop - start, 0)
  return EXTRA + 2 * examples + (compared ? 2 * shards.length : 0)
}

export function packReplies(
  replies: readonly AttackReply[],
  extra: readonly [number, number],
): Float64Array {
  return Float64Array.from([
    ...extra,
    ...replies.flatMap(({ losses, correct, comparison }) => [
      ...losses,
      ...correct,
      ...(comparison === null ? [] : [comparison.gapSum, comparison.slopeSum]),
    ]),
  ])
}

/** The replies of all ranks in the order of shards, and each rank's extra numbers. */
export function unpackReplies(
  all: Float64Array,
  dealt: readonly (readonly IndexedRange[])[],
  compared: boolean,
): { readonly replies: AttackReply[]; readonly extra: readonly (readonly [number, number])[] } {
  const replies: AttackReply[] = []
  let at = 0
  const take = (count: number) => {
    at += count
    return all.subarray(at - count, at)
  }
  const extra = dealt.map(shards => {
    const [first, second] = take(EXTRA)
    for (const { index, start, stop } of shards) {
      const examples = stop - start
      replies[index] = {
        losses: Float32Array.from(take(examples)),
        correct: Uint8Array.from(take(examples)),
        comparison: compared ? comparisonOf(take(2), examples) : null,
      }
    }
    return [first!, second!] as const
  })
  return { replies, extra }
}

function comparisonOf([gapSum, slopeSum]: Float64Array, examples: number) {
  return { examples, gapSum: gapSum!, slopeSum: slopeSum! }
}

/** Figures of an evaluation's examples, four arrays one after the other. */
export function packEvaluation(replies: readonly EvaluateReply[]): Float64Array {
  return Float64Array.from(
    replies.flatMap(r => [
      ...r.cleanLosses,
      ...r.cleanCorrect,
      ...r.robustLosses,
      ...r.robustCorrect,
    ]),
  )
}

/** The inverse, shard by shard in the order of ranks. */
export function unpackEvaluation(all: Float64Array, shards: readonly Range[]): EvaluateReply[] {
  const starts = startsOf(shards.map(({ start, stop }) => 4 * (stop - start)))
  return shards.map(({ start, stop }, index) => {
    const figure = (k: number) => {
      const first = starts[index]! + k * (stop - start)
      return all.subarray(first, first + stop - start)
    }
    return {
      cleanLosses: Float32Array.from(figure(0)),
      cleanCorrect: Uint8Array.from(figure(1)),
      robustLosses: Float32Array.from(figure(2)),
      robustCorrect: Uint8Array.from(figure(3)),
    }
  })
}
