import type { Round } from '../ranks/deal.js'
import { type Dealing, shareOfRows } from '../ranks/dealing.js'
import type { Range } from '../replica/shards.js'
import type { GradientBuffers } from '../replica/workspace.js'
import { addTo } from './sums.js'

/** Numbers that go out at a time. */
const BUCKET = 1 << 22

/** The shards of a round, and whose they are. */
export interface SentRound {
  readonly shards: readonly (Range & { readonly offset: number; readonly index: number })[]
  readonly round: Round
  /** Which half of the staging buffers the round was written to. */
  readonly turn: number
}

/** Factors of a round's examples, at so many points each, into the window of every rank. */
export async function gatherFactors(
  { ranks: { collective } }: Dealing,
  { rows, cols, signals, inputs }: GradientBuffers,
  { shards, round }: SentRound,
  points: number,
): Promise<void> {
  const examples = round.map(
    ({ start, stop }) =>
      points * shards.slice(start, stop).reduce((sum, s) => sum + s.stop - s.start, 0),
  )
  const first = shards[round[0]!.start]!.offset
  const last = first + examples.reduce((a, b) => a + b, 0)
  for (const [all, length] of [
    [signals!, rows],
    [inputs!, cols],
  ] as const)
    await collective.allgatherv(
      all.subarray(first * length, last * length),
      examples.map(count => count * length),
    )
}

/**
 * Row blocks of a round's dense gradients to the ranks that add them, each to the rows of `sum` that are its own: in
 * the order of shards, whoever attacked them. Goes slab by slab, a slab being some rows of every rank's block.
 */
export async function orderParts(
  dealing: Dealing,
  { rows, cols, staging, sum }: GradientBuffers,
  { shards, round, turn }: SentRound,
): Promise<void> {
  const { rank, size, collective } = dealing.ranks
  const counts = round.map(lengthOf)
  const places = Array.from({ length: Math.max(...counts) }, (_, place) => place)
  const blocks = round.map((_, r) => shareOfRows(rows, r, size))
  const height = Math.max(1, Math.floor(BUCKET / (size * cols)))
  const isFirst = shards[round[0]!.start]!.index === 0
  for (let top = 0; top < Math.max(...blocks.map(lengthOf)); top += height) {
    const slabs = blocks.map(({ start, stop }) => ({
      start: Math.min(stop, start + top) * cols,
      stop: Math.min(stop, start + top + height) * cols,
    }))
    const own = slabs[rank]!
    const received: Float32Array[] = []
    for (const place of places) {
      const sends = place < counts[rank]!
      const part = staging[dealing.slotOf(turn, place)]
      const receiveCounts = counts.map(count => (place < count ? lengthOf(own) : 0))
      const receive = new Float32Array(receiveCounts.reduce((a, b) => a + b, 0))
      await collective.alltoallv(
        sends ? packed(part!, slabs) : NOTHING,
        slabs.map(slab => (sends ? lengthOf(slab) : 0)),
        receive,
        receiveCounts,
      )
      received.push(receive)
    }
    const target = sum!.subarray(own.start, own.stop)
    for (const [k, part] of inOrder(counts, received, lengthOf(own)).entries())
      addTo(target, part, isFirst && k === 0)
  }
}

/** What came at every place of a round's runs, in the order of ranks and then of places: that of the shards. */
function inOrder(counts: readonly number[], received: readonly Float32Array[], length: number) {
  return counts.flatMap((count, r) =>
    received.slice(0, count).map((part, place) => {
      const before = counts.slice(0, r).filter(c => place < c).length
      return part.subarray(before * length, (before + 1) * length)
    }),
  )
}

/** Ranges of an array one after the other. */
function packed(array: Float32Array, ranges: readonly Range[]): Float32Array {
  const out = new Float32Array(ranges.reduce((sum, range) => sum + lengthOf(range), 0))
  let at = 0
  for (const { start, stop } of ranges) {
    out.set(array.subarray(start, stop), at)
    at += stop - start
  }
  return out
}

/** The row blocks of `sum` that ranks added up, to all of them. */
export async function gatherSum(
  { ranks: { size, collective } }: Dealing,
  { rows, cols, sum }: GradientBuffers,
): Promise<void> {
  const counts = Array.from({ length: size }, (_, r) => lengthOf(shareOfRows(rows, r, size)) * cols)
  await collective.allgatherv(sum!, counts)
}

/** This rank's own dense gradients of a round, to its own sum. */
export function addOwnParts(
  dealing: Dealing,
  { staging, sum }: GradientBuffers,
  { round, turn }: SentRound,
  isFirst: boolean,
): void {
  const count = lengthOf(round[dealing.ranks.rank]!)
  if (isFirst && count === 0) sum!.fill(0)
  for (let place = 0; place < count; place++)
    addTo(sum!, staging[dealing.slotOf(turn, place)]!, isFirst && place === 0)
}

/** The ranks' sums, added up bucket by bucket. */
export async function reduceSum(
  { ranks: { collective } }: Dealing,
  { sum }: GradientBuffers,
): Promise<void> {
  for (let at = 0; at < sum!.length; at += BUCKET)
    await collective.allreduceSum(sum!.subarray(at, at + BUCKET))
}

const NOTHING = new Float32Array(0)

function lengthOf({ start, stop }: Range): number {
  return stop - start
}
