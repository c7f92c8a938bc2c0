import { SaddleError } from '@saddle/core'
import type { Range } from '../replica/shards.js'

/**
 * Slices that the neurons are cut into, at most: as many workers can share a pass. Every slice sends its part of a
 * sum, so more of them cost more numbers; a constant, because the cut decides the order of sums.
 */
const MOST_SLICES = 16

/** Rows of a slice are a multiple of this, as those of a block are: products of whole registers. */
const ROWS_TOGETHER = 8

/** The fixed slices of `rows` neurons: equal but for the last, a function of the width alone. */
export function neuronSlices(rows: number): Range[] {
  const step = Math.ceil(rows / MOST_SLICES / ROWS_TOGETHER) * ROWS_TOGETHER
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({
    start: i * step,
    stop: Math.min(rows, (i + 1) * step),
  }))
}

/** Which of `slices` slices belong to one of several members, or ranks: contiguous, at least one where there are enough. */
export function sliceShare(slices: number, member: number, members: number): Range {
  return {
    start: Math.floor((member * slices) / members),
    stop: Math.floor(((member + 1) * slices) / members),
  }
}

/** The slices of a network, and which of them each rank of a job holds. */
export interface SliceShare {
  /** Rows in the whole matrices. */
  readonly slices: readonly Range[]
  /** Of each rank, as indices into `slices`. */
  readonly ranks: readonly Range[]
  readonly rank: number
}

/** @throws SaddleError CONFIG if there are more ranks than slices. */
export function shareSlices(rows: number, rank: number, size: number): SliceShare {
  const slices = neuronSlices(rows)
  if (size > slices.length)
    throw new SaddleError(
      'CONFIG',
      `compute.split: neurons: expected at most ${slices.length} ranks for ${rows} rows of neurons, which are cut into so many ` +
        `slices, got ${size}. Use fewer ranks, or split: examples.`,
      { slices: slices.length, ranks: size },
    )
  const ranks = Array.from({ length: size }, (_, r) => sliceShare(slices.length, r, size))
  return { slices, ranks, rank }
}

/** The rows of the trained matrices that this rank holds. */
export function rowsHeld({ slices, ranks, rank }: SliceShare): Range {
  const { start, stop } = ranks[rank]!
  return { start: slices[start]!.start, stop: slices[stop - 1]!.stop }
}

/** Rows of the whole matrices, and of a slice of them. */
export function neuronsOf({ slices }: SliceShare): { rows: number; slice: number } {
  return { rows: slices.at(-1)!.stop, slice: slices[0]!.stop }
}
