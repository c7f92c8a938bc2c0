import { largestBut, lossByRows } from './row-loss.js'

/**
 * Cross-entropy for attacking: log Σ_j e^{z_j − z_y}, or −log Σ_j e^{z_j − z_t} with a target; log(1 + e^{−y f}) and
 * −log(1 + e^{−t f}) of one output.
 *
 * The derivative at the label itself is −Σ_{j ≠ y} p_j and not p_y − 1, which is 0 as soon as p_y rounds to 1: float32
 * would lose the gradient at a lead of 17, this form keeps it to a lead of 87.
 */
export const crossEntropy = lossByRows('cross-entropy', (z, label, target, slope) => {
  const own = target ?? label
  const sign = target === null ? 1 : -1
  const lead = Math.max(0, z[largestBut(z, own)]! - z[own]!)
  let others = 0
  for (let j = 0; j < z.length; j++) if (j !== own) others += Math.exp(z[j]! - z[own]! - lead)
  const total = Math.exp(-lead) + others
  for (let j = 0; j < z.length; j++)
    slope[j] =
      j === own ? (-sign * others) / total : (sign * Math.exp(z[j]! - z[own]! - lead)) / total
  return sign * (lead === 0 ? Math.log1p(others) : lead + Math.log(total))
})
