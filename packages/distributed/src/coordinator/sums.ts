/** sum ← part, or sum ← sum + part. */
export function addTo(sum: Float32Array, part: Float32Array, isFirst: boolean): void {
  if (isFirst) {
    sum.set(part)
    return
  }
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + part[i]!
}

/** Float64 sum in index order. */
export function sum(values: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]!
  return total
}
