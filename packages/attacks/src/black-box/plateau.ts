/** A step size that is halved when a gain has not grown. */
export interface Plateau {
  readonly size: number
  /** The step size after another gain was seen. */
  after(gain: number): Plateau
}

/**
 * Halves `size`, not below `least`, when the latest of `patience` gains is below the first of them, and then counts
 * anew: the schedule of Ilyas et al. (2018).
 */
export function plateau(
  size: number,
  least: number,
  patience: number,
  gains: readonly number[] = [],
): Plateau {
  return {
    size,
    after(gain) {
      const seen = [...gains, gain].slice(-patience)
      const stalls = seen.length === patience && gain < seen[0]!
      return stalls
        ? plateau(Math.max(size / 2, Math.min(size, least)), least, patience)
        : plateau(size, least, patience, seen)
    },
  }
}
