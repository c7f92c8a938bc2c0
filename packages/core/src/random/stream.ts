/**
 * Names one independent stream of random numbers. Equal keys give equal numbers on any worker, in any order;
 * streams of different keys never overlap. `purpose` says what the numbers are for (`weights`, `attack.start`, …).
 */
export interface StreamKey {
  /** Integer in 0..2^53 − 1. */
  readonly seed: number
  readonly purpose: string
  readonly step?: number
  /** Index of the example in its data set, or of a row of weights. */
  readonly example?: number
  readonly restart?: number
}

/** Numbers drawn one after another from the stream of a key. */
export interface Stream {
  /** Next integer in 0..2^32 − 1. */
  uint32(): number
  /** Next float64 in [0, 1), 53 random bits. */
  uniform(): number
  /** Next standard normal, float64 (Box–Muller). */
  normal(): number
  /** Fills `out` with standard normals times `scale`. */
  fillNormal(out: Float32Array | Float64Array, scale?: number): void
}
