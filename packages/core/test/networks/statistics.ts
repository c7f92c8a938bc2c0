/** Asserts that the mean of `samples` is `wanted` within three standard errors. */
export function meanIs(t: Tap, samples: readonly number[], wanted: number, what: string): void {
  const n = samples.length
  const mean = samples.reduce((sum, v) => sum + v, 0) / n
  const variance = samples.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1)
  const error = Math.sqrt(variance / n)
  t.ok(Math.abs(mean - wanted) <= 3 * error, `${what}: ${mean} ± ${error}, predicted ${wanted}`)
}
type Tap = { ok(value: boolean, message: string): unknown }
