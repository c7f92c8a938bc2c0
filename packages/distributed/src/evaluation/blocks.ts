import type { Range } from '../replica/shards.js'
import { BLOCK } from './evaluator.js'
import type { CleanReply, SearchReply } from './messages.js'

/** How many blocks so many examples are. */
export function blocksFor(examples: number): number {
  return Math.ceil(examples / BLOCK)
}

/** Ranges of examples whose blocks are not `done`: runs of neighbours, `shard` examples at most, at least a block. */
export function openRanges(
  examples: number,
  shard: number,
  done: (block: number) => boolean,
): Range[] {
  const most = Math.max(1, Math.floor(shard / BLOCK))
  const ranges: Range[] = []
  for (let first = 0; first < blocksFor(examples); first++) {
    if (done(first)) continue
    let last = first
    while (last + 1 < blocksFor(examples) && last + 1 - first < most && !done(last + 1)) last++
    ranges.push({ start: first * BLOCK, stop: Math.min(examples, (last + 1) * BLOCK) })
    first = last
  }
  return ranges
}

/** The blocks of a task that begins at example `start`, each with its part of the reply. */
export function cleanBlocks(start: number, reply: CleanReply): [block: number, part: CleanReply][] {
  return partsOf(start, reply.losses.length).map(({ block, from, to }) => {
    const cut = <T extends Float32Array | Int32Array>(array: T) => array.slice(from, to) as T
    return [
      block,
      {
        losses: cut(reply.losses),
        predictions: cut(reply.predictions),
        leastLikely: cut(reply.leastLikely),
        correct: cut(reply.correct),
        flat: cut(reply.flat),
        probabilities: cut(reply.probabilities),
      },
    ]
  })
}

/** The same of an attack's reply; its seconds are shared out by examples. */
export function searchBlocks(
  start: number,
  reply: SearchReply,
): [block: number, part: SearchReply][] {
  const n = reply.norms.length
  const radii = reply.success.length / n
  const dimension = reply.points.length / (radii * n)
  return partsOf(start, n).map(({ block, from, to }) => {
    /** [radius, example, width] cut to the examples. */
    const cut = <T extends Float32Array | Int32Array>(array: T, width = 1): T => {
      const size = (to - from) * width
      const out = array.slice(0, radii * size) as T
      for (let r = 0; r < radii; r++)
        out.set(array.subarray((r * n + from) * width, (r * n + to) * width), r * size)
      return out
    }
    return [
      block,
      {
        success: cut(reply.success),
        predictions: cut(reply.predictions),
        losses: cut(reply.losses),
        distances: cut(reply.distances),
        fosc: cut(reply.fosc),
        gradientSteps: cut(reply.gradientSteps),
        queries: cut(reply.queries),
        from: cut(reply.from),
        norms: reply.norms.slice(from, to),
        points: cut(reply.points, dimension),
        seconds: (reply.seconds * (to - from)) / n,
      },
    ]
  })
}

function partsOf(start: number, n: number): { block: number; from: number; to: number }[] {
  return Array.from({ length: blocksFor(n) }, (_, b) => ({
    block: start / BLOCK + b,
    from: b * BLOCK,
    to: Math.min(n, (b + 1) * BLOCK),
  }))
}
