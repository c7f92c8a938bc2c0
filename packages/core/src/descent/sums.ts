/**
 * What a proposed update of some rows of a trained matrix measured, in float64, before anything was accepted.
 *
 * ⟨X, Y⟩ = Σ X∘Y is the Frobenius inner product, V the proposal, W† the comparator, G the gradient.
 */
export interface ProposalSums {
  /** ‖V − W_0‖². */
  readonly normSquared: number
  /** ‖G‖². */
  readonly gradientSquared: number
  /** Null where no comparator was given. */
  readonly comparison: ComparisonSums | null
}

/** The geometry of one update seen from a comparator W†: what (C2) and (C3) are made of. */
export interface ComparisonSums {
  /** ⟨G, W − W†⟩. */
  readonly inner: number
  /** ‖W − W†‖². */
  readonly distanceSquared: number
  /** ‖V − W†‖². */
  readonly proposedSquared: number
  /** ‖W† − W_0‖². */
  readonly comparatorSquared: number
}

/** `ComparisonSums` of all matrices of a network, after the projection: part of `RegretTerms`. */
export interface StepComparison {
  readonly inner: number
  readonly distanceSquared: number
  readonly proposedSquared: number
  /** ‖P(V) − W†‖². */
  readonly projectedSquared: number
}

/**
 * Sums over row ranges of one matrix, added in the order given. Callers give the ranges of `rowBlocks` in row
 * order: the order of additions decides the last bits.
 */
export function sumProposals(parts: readonly ProposalSums[]): ProposalSums {
  let normSquared = 0
  let gradientSquared = 0
  let comparison: ComparisonSums | null = null
  for (const part of parts) {
    normSquared += part.normSquared
    gradientSquared += part.gradientSquared
    if (part.comparison === null) continue
    comparison = comparison === null ? part.comparison : addComparisons(comparison, part.comparison)
  }
  return { normSquared, gradientSquared, comparison }
}

/**
 * ‖c(V − W_0) − (W† − W_0)‖² for the scale c of the projection, without another pass over the matrix:
 *
 *   ‖c v − w‖² = c ‖v − w‖² + (1 − c) ‖w‖² − c (1 − c) ‖v‖²
 *
 * Equals `proposedSquared` to the bit where c = 1.
 */
export function projectedSquared(
  sums: { readonly normSquared: number; readonly comparison: ComparisonSums },
  scale: number,
): number {
  const { proposedSquared, comparatorSquared } = sums.comparison
  const rest = 1 - scale
  return scale * proposedSquared + rest * comparatorSquared - scale * rest * sums.normSquared
}

/**
 * The comparison of a whole step: squared distances and inner products add over trained matrices.
 *
 * @param sums of every trained matrix, by name; @param scales of the projection, by name.
 * @returns null unless every matrix was compared.
 */
export function compareStep(
  sums: Readonly<Record<string, ProposalSums>>,
  scales: Readonly<Record<string, number>>,
): StepComparison | null {
  const total = { inner: 0, distanceSquared: 0, proposedSquared: 0, projectedSquared: 0 }
  for (const [name, { normSquared, comparison }] of Object.entries(sums)) {
    if (comparison === null) return null
    total.inner += comparison.inner
    total.distanceSquared += comparison.distanceSquared
    total.proposedSquared += comparison.proposedSquared
    total.projectedSquared += projectedSquared({ normSquared, comparison }, scales[name] ?? 1)
  }
  return total
}

function addComparisons(a: ComparisonSums, b: ComparisonSums): ComparisonSums {
  return {
    inner: a.inner + b.inner,
    distanceSquared: a.distanceSquared + b.distanceSquared,
    proposedSquared: a.proposedSquared + b.proposedSquared,
    comparatorSquared: a.comparatorSquared + b.comparatorSquared,
  }
}
