/** Least, lower quartile, median, upper quartile and greatest, by linear interpolation as NumPy's `quantile`. */
export type Quantiles = readonly [number, number, number, number, number]

/** Null where there is no number. Numbers that are not finite are left out. */
export function quantiles(values: Iterable<number>): Quantiles | null {
  const sorted = Float64Array.from([...values].filter(Number.isFinite)).sort()
  if (sorted.length === 0) return null
  const at = (share: number) => {
    const place = share * (sorted.length - 1)
    const low = Math.floor(place)
    const [a, b] = [sorted[low]!, sorted[Math.min(low + 1, sorted.length - 1)]!]
    return a + (place - low) * (b - a)
  }
  return [at(0), at(0.25), at(0.5), at(0.75), at(1)]
}

/** Mean in index order, float64. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}
