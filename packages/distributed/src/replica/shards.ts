/** [start, stop) of consecutive shards of at most `size` examples. */
export function shardsOf(count: number, size: number): { start: number; stop: number }[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
    start: i * size,
    stop: Math.min(count, (i + 1) * size),
  }))
}
