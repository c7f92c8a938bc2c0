import { largestBut, lossByRows } from './row-loss.js'

/**
 * The margin of Carlini & Wagner (2017), their f₆ without the hinge:
 *
 *   untargeted   max_{j ≠ y} z_j − z_y        −y f of one output
 *   targeted     z_t − max_{j ≠ t} z_j         t f
 *
 * Positive exactly where the attack succeeds. Its gradient does not fade with the model's confidence.
 */
export const margin = lossByRows('margin', (z, label, target, slope) => {
  const other = largestBut(z, target ?? label)
  const [up, down] = target === null ? [other, label] : [target, other]
  slope[up]! += 1
  slope[down]! -= 1
  return z[up]! - z[down]!
})
