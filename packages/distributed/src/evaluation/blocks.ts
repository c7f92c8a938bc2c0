import type { Range } from '../replica/shards.js'
import type { CleanReply, SearchReply } from './messages.js'

/** Rows for which products run at the library's rate; rows below which they are slow; blocks there are at least. */
const MOST = 256
const LEAST = 32
const SHARED = 2

/**
 * Examples computed together: the first so many places of the list, the next, and so on, whatever a task spans. A
 * product's last bits may depend on how many rows it has, so blocks depend on the length of the list alone: as few equal
 * ones of at most 256 as hold it, but two at least, of a multiple of 8 and at least 32. Smaller blocks would serve more
 * workers, each worse: per row, a pass of 16 rows takes twice as long as one of 256, of 128 rows 1.1 times.
 */
export function blockSize(examples: number): number {
  const blocks = Math.max(SHARED, Math.ceil(examples / MOST))
  return Math.max(LEAST, 8 * Math.ceil(examples / (8 * blocks)))
}

/** How many blocks so many examples are. */
export function blocksFor(examples: number): number {
  return Math.ceil(examples / blockSize(examples))
}

/** Ranges of examples whose blocks are not `done`: runs of neighbours, `shard` examples at most, at least a block. */
export function openRanges(
  examples: number,
  shard: number,
  done: (block: number) => boolean,
): Range[] {
  const size = blockSize(examples)
  const most = Math.max(1, Math.floor(shard / size))
  const ranges: Range[] = []
  for (let first = 0; first < blocksFor(examples); first++) {
    if (done(first)) continue
    let last = first
    while (last + 1 < blocksFor(examples) && last + 1 - first < most && !done(last + 1)) last++
    ranges.push({ start: first * size, stop: Math.min(examples, (last + 1) * size) })
    first = last
  }
  return ranges
}

/** The blocks, of `size` examples, of a task that begins at example `start`, each with its part of the reply. */
export function cleanBlocks(
  start: number,
  reply: CleanReply,
  size: number,
): [block: number, part: CleanReply][] {
  return partsOf(start, reply.losses.length, size).map(({ block, from, to }) => {
    const cut = <T extends Float32Array | Int32Array>(array: T) => array.slice(from, to) as T
    return [
      block,
      {
        losses: cut(reply.losses),
        predictions: cut(reply.predictions),
        leastLikely: cut(reply.leastLikely),
        correct: cut(reply.correct),
        wild: cut(reply.wild),
        flat: cut(reply.flat),
        probabilities: cut(reply.probabilities),
        random: cut(reply.random),
      },
    ]
  })
}

/** The same of an attack's reply; its seconds are shared out by examples. */
export function searchBlocks(
  start: number,
  reply: SearchReply,
  size: number,
): [block: number, part: SearchReply][] {
  const n = reply.norms.length
  const radii = reply.success.length / n
  const dimension = reply.points.length / (radii * n)
  return partsOf(start, n, size).map(({ block, from, to }) => {
    /** [radius, example, width] cut to the examples. */
    const cut = <T extends Float32Array | Int32Array>(array: T, width = 1): T => {
      const length = (to - from) * width
      const out = array.slice(0, radii * length) as T
      for (let r = 0; r < radii; r++)
        out.set(array.subarray((r * n + from) * width, (r * n + to) * width), r * length)
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

function partsOf(
  start: number,
  n: number,
  size: number,
): { block: number; from: number; to: number }[] {
  return Array.from({ length: Math.ceil(n / size) }, (_, b) => ({
    block: start / size + b,
    from: b * size,
    to: Math.min(n, (b + 1) * size),
  }))
}
