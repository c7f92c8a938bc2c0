import { largestBut, lossByRows } from './row-loss.js'

/** Keeps equal scores from dividing by 0, as in the reference code. */
const LEAST = 1e-12

/**
 * The difference of logits ratio (Croce & Hein 2020), z_(1) ≥ z_(2) ≥ … the ordered scores:
 *
 *   untargeted   (max_{j ≠ y} z_j − z_y)/(z_(1) − z_(3))
 *   targeted     (z_t − z_y)/(z_(1) − (z_(3) + z_(4))/2)
 *
 * Invariant to shifts and positive scales of z. Untargeted it needs 3 classes, targeted 4. With fewer the ratio does
 * not exist (two classes: ±1, without a gradient), and what remains of it is taken: with 3 classes and a target the
 * divisor is z_(1) − z_(3); with 2 classes or one output there is none, which leaves the margin.
 */
export const dlr = lossByRows('dlr', (z, label, target, slope) => {
  const up = target ?? largestBut(z, label)
  const gap = z[up]! - z[label]!
  if (z.length === 2) {
    slope[up]! += 1
    slope[label]! -= 1
    return gap
  }
  const order = Array.from(z.keys()).sort((a, b) => z[b]! - z[a]! || a - b)
  const low = target !== null && z.length > 3 ? [order[2]!, order[3]!] : [order[2]!]
  const divisor = z[order[0]!]! - low.reduce((sum, j) => sum + z[j]!, 0) / low.length + LEAST
  slope[up]! += 1 / divisor
  slope[label]! -= 1 / divisor
  // ∂(divisor): +1 at the largest score, shared by the low ones with a minus.
  const fall = gap / (divisor * divisor)
  slope[order[0]!]! -= fall
  for (const j of low) slope[j]! += fall / low.length
  return gap / divisor
})
