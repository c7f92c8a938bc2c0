/** What a step measured against a comparator W† (Appendices A and B of the paper, as run-time certificates). */
export interface RegretTerms {
  /** L_A(W_t) − L_{A_t}(W†), both at the points attacked at W_t. */
  readonly gap: number
  /** ⟨g_t, W_t − W†⟩, g_t = ∇L_A(W_t). */
  readonly inner: number
  /** (1/n) Σ ℓ'_i e_i with e_i = f(W†, x'_i) − f(W_t, x'_i) − ⟨∇f(W_t, x'_i), W† − W_t⟩. */
  readonly linearisation: number
  /** ‖W_t − W†‖², ‖V − W†‖² and ‖P(V) − W†‖². */
  readonly distanceSquared: number
  readonly proposedSquared: number
  readonly projectedSquared: number
}

/** What else (C2) and (C4) need of a step: α_t and ‖g_t‖_F, as a line of metrics has them. */
export interface RegretStep {
  readonly stepSize: number
  readonly gradientNorm: number
}

/** The three claims about one step; each holds up to rounding for any attack, if W† lies in B(R) and ℓ is convex. */
export interface RegretChecks {
  /** (C1) gap − (inner − linearisation) ≤ 0. */
  readonly violation: number
  /** (C2) |‖V − W†‖² − (‖W_t − W†‖² − 2α inner + α²‖g‖²)| over the largest of these terms: 0. */
  readonly residual: number
  /** (C3) ‖V − W†‖² − ‖P(V) − W†‖² ≥ 0. */
  readonly projectionGain: number
}

/** The monitor's memory: sums over the steps so far. Plain JSON, kept in checkpoints. */
export interface RegretState {
  readonly steps: number
  /** ‖W_0 − W†‖² of the first step seen. */
  readonly startSquared: number
  /** Σ α_t, Σ α_t gap_t, Σ α_t² ‖g_t‖², Σ α_t |linearisation_t|. */
  readonly stepSizes: number
  readonly gaps: number
  readonly gradients: number
  readonly linearisations: number
  /** Largest violation of (C1) and residual of (C2), smallest gain of (C3); null before the first step. */
  readonly worst: RegretChecks | null
}

export interface RegretReport {
  readonly steps: number
  /** Σ α_t gap_t / Σ α_t: the average gap, where α is constant. */
  readonly averageGap: number
  /** (C4) the sum of the three terms below; averageGap ≤ bound. */
  readonly bound: number
  /** ‖W_0 − W†‖² / (2 Σ α_t). */
  readonly distanceTerm: number
  /** Σ α_t² ‖g_t‖² / (2 Σ α_t). */
  readonly gradientTerm: number
  /** Σ α_t |(1/n) Σ ℓ'_i e_i| / Σ α_t. */
  readonly linearisationTerm: number
  readonly worst: RegretChecks
}

/** The monitor before its first step. */
export const initialRegret: RegretState = {
  steps: 0,
  startSquared: 0,
  stepSizes: 0,
  gaps: 0,
  gradients: 0,
  linearisations: 0,
  worst: null,
}

/**
 * (C1)–(C3) of one step, in float64. (C2) and (C3) compare terms that were measured apart. In (C1) `inner` cancels,
 * since `linearisation` is made with it: what it checks is the convexity of the loss along the way to W†.
 */
export function checkRegret(terms: RegretTerms, step: RegretStep): RegretChecks {
  const { gap, inner, linearisation, distanceSquared, proposedSquared, projectedSquared } = terms
  const { stepSize, gradientNorm } = step
  const crossed = 2 * stepSize * inner
  const squared = (stepSize * gradientNorm) ** 2
  const difference = proposedSquared - (distanceSquared - crossed + squared)
  const size = Math.max(proposedSquared, distanceSquared, Math.abs(crossed), squared)
  return {
    violation: gap - (inner - linearisation),
    residual: size === 0 ? 0 : Math.abs(difference) / size,
    projectionGain: proposedSquared - projectedSquared,
  }
}

/** The monitor after one more step; the steps of a run are given in order, each once. */
export function updateRegret(
  state: RegretState,
  terms: RegretTerms,
  step: RegretStep,
): RegretState {
  const { stepSize, gradientNorm } = step
  const checks = checkRegret(terms, step)
  return {
    steps: state.steps + 1,
    startSquared: state.steps === 0 ? terms.distanceSquared : state.startSquared,
    stepSizes: state.stepSizes + stepSize,
    gaps: state.gaps + stepSize * terms.gap,
    gradients: state.gradients + (stepSize * gradientNorm) ** 2,
    linearisations: state.linearisations + stepSize * Math.abs(terms.linearisation),
    worst: state.worst === null ? checks : worseOf(state.worst, checks),
  }
}

/**
 * (C4): summing (C1)–(C3) over steps,
 *
 *   Σ α_t gap_t ≤ ½‖W_0 − W†‖² + ½ Σ α_t² ‖g_t‖² + Σ α_t |(1/n) Σ ℓ'_i e_i|
 *
 * here divided by Σ α_t. For constant α it reads, as in the paper's proof: average gap ≤ ‖W_0 − W†‖²/(2αT) +
 * (α/2) mean ‖g_t‖² + mean linearisation error.
 *
 * @returns null before the first step.
 */
export function reportRegret(state: RegretState): RegretReport | null {
  const { steps, startSquared, stepSizes, gaps, gradients, linearisations, worst } = state
  if (worst === null) return null
  const distanceTerm = startSquared / (2 * stepSizes)
  const gradientTerm = gradients / (2 * stepSizes)
  const linearisationTerm = linearisations / stepSizes
  const bound = distanceTerm + gradientTerm + linearisationTerm
  const averageGap = gaps / stepSizes
  return { steps, averageGap, bound, distanceTerm, gradientTerm, linearisationTerm, worst }
}

function worseOf(a: RegretChecks, b: RegretChecks): RegretChecks {
  return {
    violation: Math.max(a.violation, b.violation),
    residual: Math.max(a.residual, b.residual),
    projectionGain: Math.min(a.projectionGain, b.projectionGain),
  }
}
