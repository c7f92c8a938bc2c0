import type { NetworkSpec } from './network.js'

/** A matrix by its shape alone. */
interface MatrixShape {
  readonly name: string
  readonly rows: number
  readonly cols: number
}

/** What a network's parameters hold, before any is drawn. */
interface Footprint {
  readonly trained: readonly MatrixShape[]
  /** Numbers of all W, and as many of all D. */
  readonly weights: number
  /** Numbers of all W_0, those that copies share counted once. */
  readonly initial: number
  /** Numbers of the frozen matrices. */
  readonly frozen: number
}

/**
 * The size of a network:
 *
 *   deep       H layers, twice if mirrored: [m, r], then [m, m];  r = min(m, d) folded, m dense;  frozen A or F and a
 *   two-layer  the halves w and w̄, [m/2, d] each, which start alike; frozen a [m/2, outputs]
 */
export function footprintOf(spec: Omit<NetworkSpec, 'activation'>): Footprint {
  const { family, inputs: d, width: m, depth, outputs, init, first = 'folded' } = spec
  const reduced = Math.min(m, d)
  const copies = family === 'two-layer' || init === 'mirrored' ? ['+', '-'] : ['']
  const cols = (layer: number) => (layer > 1 ? m : first === 'folded' ? reduced : m)
  const trained = copies.flatMap(copy =>
    family === 'two-layer'
      ? [{ name: `layers.1${copy}`, rows: m / 2, cols: d }]
      : Array.from({ length: depth }, (_, i) => ({
          name: `layers.${i + 1}${copy}`,
          rows: m,
          cols: cols(i + 1),
        })),
  )
  const weights = trained.reduce((sum, { rows, cols }) => sum + rows * cols, 0)
  const input = first === 'folded' ? reduced * d : m * d
  return {
    trained,
    weights,
    initial: weights / copies.length,
    frozen: family === 'two-layer' ? (m / 2) * outputs : m * outputs + input,
  }
}
