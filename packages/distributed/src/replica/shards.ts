/** start..stop, without stop: examples of a batch, or rows of a matrix. */
export interface Range {
  readonly start: number
  readonly stop: number
}

/** [start, stop) of consecutive shards of at most `size` examples. */
export function shardsOf(count: number, size: number): Range[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
    start: i * size,
    stop: Math.min(count, (i + 1) * size),
  }))
}
