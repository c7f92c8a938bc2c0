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

/** Which of `slices` slices belong to a member: contiguous, at least one if there are no more members than slices. */
export function sliceShare(slices: number, member: number, members: number): Range {
  return {
    start: Math.floor((member * slices) / members),
    stop: Math.floor(((member + 1) * slices) / members),
  }
}
