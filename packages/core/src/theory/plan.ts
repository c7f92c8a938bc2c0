import { SaddleError } from '../errors.js'

/**
 * How far a constant can be trusted.
 *
 *   proven    by a complete proof under the theorem's assumptions
 *   derived   from the regret bound (C4), given a quantity that has to be measured on the run
 *   unknown   the paper writes Θ(·) or O(·): the expression is literal, its constant was set to 1
 */
export type ConstantStatus = 'proven' | 'derived' | 'unknown'

/** One number of a plan, with all that is needed to read it honestly. */
export interface PlannedQuantity {
  /** Symbol in the paper: m, α, T. */
  readonly symbol: string
  readonly meaning: string
  readonly value: number
  /** What was computed, in the paper's symbols. */
  readonly formula: string
  readonly constant: ConstantStatus
  readonly note: string
}

/** What a theorem asks for to reach min_t L_A(W_t) ≤ L_*(W†) + ε. */
export interface TheoremPlan {
  readonly theorem: '4.1' | '5.1'
  /** m, a whole number (even for 5.1); beyond 2^53 only its size is meant. */
  readonly width: number
  /** α. */
  readonly stepSize: number
  /** T. */
  readonly steps: number
  /** m, α and T in this order, with their formulas. */
  readonly quantities: readonly PlannedQuantity[]
  /** The numbers that were put in, by symbol. */
  readonly inputs: Readonly<Record<string, number>>
}

/**
 * Theorem 5.1 (two-layer networks, equation 4) with explicit constants. For data on the unit sphere and any W† with
 * ‖W† − W_0‖_F ≤ R:
 *
 *   m ≥ (Lc C2 R² / ε)²,   α = ε / (2 Lc² C1²),   T = 2 R² / (α ε)
 *
 * Then min over t < T of L_A(W_t) is at most L_*(W†) + ε for every attack A, and until the first success
 * ‖W_t − W†‖² falls by at least α ε / 2 a step, with no projection.
 *
 * @param lipschitz Lc of the loss; @param c1 sup|σ'|; @param c2 sup|σ''|; @param radius R; @param epsilon ε.
 * @throws SaddleError RANGE for a number that is not positive; CONFIG for an infinite constant.
 */
export function theorem51Plan(given: {
  readonly lipschitz: number
  readonly c1: number
  readonly c2: number
  readonly radius: number
  readonly epsilon: number
}): TheoremPlan {
  const { lipschitz, c1, c2, radius, epsilon } = given
  assertPositive({ 'Lc (lipschitz)': lipschitz, 'R (radius)': radius, 'ε (epsilon)': epsilon })
  assertPositive({ 'C1 (c1)': c1, 'C2 (c2)': c2 })
  assertFiniteConstant('the loss', 'Lc', lipschitz, 'huber:1, log-cosh or smooth-hinge')
  assertFiniteConstant('the activation', 'C1 = sup|σ′|', c1, 'sincos, gs:0.5, softplus:4 or tanh')
  assertFiniteConstant('the activation', 'C2 = sup|σ″|', c2, 'sincos, gs:0.5, softplus:4 or tanh')
  const width = evenAtLeast(((lipschitz * c2 * radius ** 2) / epsilon) ** 2)
  const stepSize = epsilon / (2 * lipschitz ** 2 * c1 ** 2)
  const steps = wholeAtLeast((2 * radius ** 2) / (stepSize * epsilon))
  const proven = { constant: 'proven' as const }
  return {
    theorem: '5.1',
    width,
    stepSize,
    steps,
    quantities: [
      {
        ...proven,
        symbol: 'm',
        meaning: 'neurons',
        value: width,
        formula: '(Lc C2 R² / ε)²',
        note: 'The least width, rounded up to an even number; any larger one will do.',
      },
      {
        ...proven,
        symbol: 'α',
        meaning: 'step size',
        value: stepSize,
        formula: 'ε / (2 Lc² C1²)',
        note: 'The largest step size; T grows in proportion as it is taken smaller.',
      },
      {
        ...proven,
        symbol: 'T',
        meaning: 'steps',
        value: steps,
        formula: '2 R² / (α ε)',
        note: 'An upper bound; success usually comes much earlier.',
      },
    ],
    inputs: { Lc: lipschitz, C1: c1, C2: c2, R: radius, ε: epsilon },
  }
}

/**
 * Theorem 4.1 (deep relu networks, equation 1). The paper gives orders only, so:
 *
 *   m = max(R⁹ H¹⁶ / ε⁷, d²)     the literal expressions, Θ's constants unknown and set to 1
 *   α = 2 ε / (3 Lc² m H)         the second term of (C4) is ε/3, if ‖∇_W f‖² ≤ m H
 *   T = 3 H R² / (2 m α ε)        the first term of (C4) is ε/3; ‖W† − W_0‖² sums H layers of R²/m
 *
 * which leaves ε/3 for the linearisation error Lc·|e|, to be measured on the run.
 *
 * @param radius R, each layer's ‖W† − W_0‖_F ≤ R/√m; the theorem asks for R = Ω(1), a constant that it doesn't name.
 * @param depth H; @param dimension d.
 * @throws SaddleError RANGE for a number that is not positive (not whole: H, d); CONFIG for an infinite Lc.
 */
export function theorem41Plan(given: {
  readonly radius: number
  readonly epsilon: number
  readonly depth: number
  readonly dimension: number
  readonly lipschitz: number
}): TheoremPlan {
  const { radius, epsilon, depth, dimension, lipschitz } = given
  assertPositive({ 'Lc (lipschitz)': lipschitz, 'R (radius)': radius, 'ε (epsilon)': epsilon })
  assertPositive({ 'H (depth)': depth, 'd (dimension)': dimension })
  assertWhole({ 'H (depth)': depth, 'd (dimension)': dimension })
  assertFiniteConstant('the loss', 'Lc', lipschitz, 'huber:1, log-cosh or smooth-hinge')
  const width = wholeAtLeast(Math.max((radius ** 9 * depth ** 16) / epsilon ** 7, dimension ** 2))
  const stepSize = (2 * epsilon) / (3 * lipschitz ** 2 * width * depth)
  const steps = wholeAtLeast((3 * depth * radius ** 2) / (2 * width * stepSize * epsilon))
  return {
    theorem: '4.1',
    width,
    stepSize,
    steps,
    quantities: [
      {
        symbol: 'm',
        meaning: 'neurons a layer',
        value: width,
        formula: 'max(Θ(R⁹ H¹⁶ / ε⁷), Θ(d²))',
        constant: 'unknown',
        note: 'Only an order of magnitude: the paper does not give the constants in Θ; they were set to 1. Directions that training takes need far less.',
      },
      {
        symbol: 'α',
        meaning: 'step size',
        value: stepSize,
        formula: '2 ε / (3 Lc² m H)',
        constant: 'derived',
        note: 'Holds if the largest ‖∇_W f‖² met on the run is at most m H, its mean at the start. The paper: O(ε / (m H²)).',
      },
      {
        symbol: 'T',
        meaning: 'steps',
        value: steps,
        formula: '3 H R² / (2 m α ε)',
        constant: 'derived',
        note: 'Holds if the mean linearisation error met on the run is at most ε / (3 Lc). The paper: Θ(R² / (m ε α)), without the factor H.',
      },
    ],
    inputs: { Lc: lipschitz, R: radius, ε: epsilon, H: depth, d: dimension },
  }
}

/** ⌈x⌉, but x itself where x is whole up to float64 rounding (1e7 computed as 1e7 + 1e-8). */
function wholeAtLeast(x: number): number {
  const nearest = Math.round(x)
  const isWhole = Math.abs(x - nearest) <= 1e-12 * Math.abs(x)
  return Math.max(1, isWhole ? nearest : Math.ceil(x))
}

function evenAtLeast(x: number): number {
  return 2 * wholeAtLeast(x / 2)
}

function assertPositive(numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers))
    if (!(value > 0))
      throw new SaddleError('RANGE', `Plan: expected ${name} > 0, got ${value}.`, { name, value })
}

function assertWhole(numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers))
    if (!Number.isInteger(value))
      throw new SaddleError('RANGE', `Plan: expected a whole number for ${name}, got ${value}.`, {
        name,
        value,
      })
}

function assertFiniteConstant(owner: string, name: string, value: number, instead: string): void {
  if (Number.isFinite(value)) return
  throw new SaddleError(
    'CONFIG',
    `Plan: the theorem needs a finite ${name} of ${owner}, got ${value}. Use ${instead} instead.`,
    { name, value },
  )
}
