/**
 * The search for the weight c of a penalty that several attacks share: c grows tenfold while the attack fails, and is
 * bisected between the largest that failed and the smallest that worked once it has succeeded.
 */
export interface PenaltySearch {
  readonly c: number
  /** The next weight, after c has worked or not. */
  after(worked: boolean): PenaltySearch
}

export function penaltySearch(
  c: number,
  lower = 0,
  upper = Number.POSITIVE_INFINITY,
): PenaltySearch {
  return {
    c,
    after(worked) {
      const [lo, hi] = worked ? [lower, Math.min(upper, c)] : [Math.max(lower, c), upper]
      return penaltySearch(hi < Number.POSITIVE_INFINITY ? (lo + hi) / 2 : 10 * c, lo, hi)
    },
  }
}
