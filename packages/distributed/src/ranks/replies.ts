import type { AttackReply, EvaluateReply } from '../pool/messages.js'
import type { Cost } from '../recipes/cost.js'
import type { Range } from '../replica/shards.js'
import { startsOf } from './ranks.js'

/**
 * What shards came to as float64 numbers, which hold float32 exactly: after `extra` numbers of the rank itself, for each
 * of its shards the losses, the flags, what it cost, where there is a comparator its two sums, and where a perturbation
 * is carried its rows.
 */
const EXTRA = 2
const COST = 4

/** What there is in a shard's numbers beyond those of every shard. */
export interface PackedLayout {
  readonly compared: boolean
  /** Columns of the carried perturbation; 0 where none is. */
  readonly carried: number
}

interface IndexedRange extends Range {
  readonly index: number
}

/** Numbers that a rank sends for these shards. */
export function packedLength(
  shards: readonly Range[],
  { compared, carried }: PackedLayout,
): number {
  const examples = shards.reduce((sum, { start, stop }) => sum + stop - start, 0)
  return EXTRA + (2 + carried) * examples + (COST + (compared ? 2 : 0)) * shards.length
}

export function packReplies(
  replies: readonly AttackReply[],
  extra: readonly [number, number],
): Float64Array {
  const parts = replies.flatMap(({ losses, correct, cost, comparison, carried }) => [
    losses,
    correct,
    [cost.examples, cost.passes, cost.forwards, cost.firstLayer],
    comparison === null ? [] : [comparison.gapSum, comparison.slopeSum],
    carried ?? [],
  ])
  const packed = new Float64Array(parts.reduce((sum, { length }) => sum + length, EXTRA))
  let at = 0
  for (const part of [extra, ...parts]) {
    packed.set(part, at)
    at += part.length
  }
  return packed
}

/** The replies of all ranks in the order of shards, and each rank's extra numbers. */
export function unpackReplies(
  all: Float64Array,
  dealt: readonly (readonly IndexedRange[])[],
  { compared, carried }: PackedLayout,
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
        cost: costOf(take(COST)),
        comparison: compared ? comparisonOf(take(2), examples) : null,
        carried: carried === 0 ? null : Float32Array.from(take(carried * examples)),
      }
    }
    return [first!, second!] as const
  })
  return { replies, extra }
}

function costOf([examples, passes, forwards, firstLayer]: Float64Array): Cost {
  return { examples: examples!, passes: passes!, forwards: forwards!, firstLayer: firstLayer! }
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
