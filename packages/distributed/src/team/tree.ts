import type { Range } from '../replica/shards.js'

/**
 * The fixed tree over S slices by which their parts are added up: a node is the sum of slices start..stop,
 *
 *   Σ start..stop = Σ start..middle + Σ middle..stop,   middle = ⌊(start + stop)/2⌋
 *
 * Whoever has consecutive slices adds up whole nodes of it and sends those, and the sum has the same bits however the
 * slices are shared out. With 2ᵏ ranks the slices of a rank are one node: it sends one part.
 */

/** The fewest nodes that make up the slices `held`, in order. */
export function nodesOf(slices: number, held: Range): Range[] {
  const within = (node: Range): Range[] => {
    if (node.stop <= held.start || node.start >= held.stop) return []
    if (node.start >= held.start && node.stop <= held.stop) return [node]
    const [left, right] = childrenOf(node)
    return [...within(left), ...within(right)]
  }
  return held.start < held.stop ? within({ start: 0, stop: slices }) : []
}

export function childrenOf({ start, stop }: Range): [Range, Range] {
  const middle = Math.floor((start + stop) / 2)
  return [
    { start, stop: middle },
    { start: middle, stop },
  ]
}

/** x ← x + y, each sum rounded to float32. */
export function addInto(x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < x.length; i++) x[i] = x[i]! + y[i]!
}
