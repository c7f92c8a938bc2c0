import { relu } from '../activations/rectifiers.js'
import { SaddleError } from '../errors.js'
import type { Matrix, RowRange } from '../tensors/matrix.js'
import type { Branch, Layout } from './branches.js'
import { drawInputMap } from './fold.js'
import { gaussianMatrix, trainedMatrix } from './gaussian.js'
import type { BallGroup, Network, NetworkSpec, Parameters } from './network.js'
import { networkOf } from './network-of.js'
import { heldRows, requireCounts } from './spec.js'

export interface DeepReluOptions {
  /** d: dimension of the inputs. */
  readonly inputs: number
  /** m: neurons a layer. */
  readonly width: number
  /** H: trained hidden layers. Default 1. */
  readonly depth?: number
  /** 1 (default), or c for c classes. */
  readonly outputs?: number
  /** `paper` (default): f(W_0, ·) has variance 2. `mirrored`, `subtract`: f(W_0, ·) = 0 to the last bit. */
  readonly init?: 'paper' | 'mirrored' | 'subtract'
  /** `folded` (default): U [m, min(m, d)] for W⁽¹⁾, O(md) memory. `dense`: W⁽¹⁾ itself, O(m²), the reference. */
  readonly first?: 'folded' | 'dense'
}

/**
 * The deep network of equation (1) (Gao et al. 2019, Section 3):
 *
 *   x⁽⁰⁾ = A x,   x⁽ʰ⁾ = relu(W⁽ʰ⁾ x⁽ʰ⁻¹⁾) for h = 1..H,   f = aᵀ x⁽ᴴ⁾
 *
 * A (m × d) and W⁽ʰ⁾ (m × m) of N(0, 2/m) entries, a (m × outputs) of N(0, 1); A and a are frozen. The ball B(R) is
 * ‖W⁽ʰ⁾ − W⁽ʰ⁾_0‖_F ≤ R/√m for each layer. At `init: 'paper'`, E f² = 2‖x‖² and E ‖∇_x f‖² = 2d.
 *
 *     const network = deepReluNetwork({ inputs: 16, width: 1024, depth: 2, init: 'subtract' })
 *     const parameters = network.initialise(1)
 *     const outputs = network.forward(parameters, x) // x: [n, 16] -> [n, 1]
 *
 * @throws SaddleError RANGE if a size is not a positive integer.
 */
export function deepReluNetwork(options: DeepReluOptions): Network {
  const { inputs, width, depth = 1, outputs = 1, init = 'paper', first = 'folded' } = options
  const shape = { inputs, width, depth, outputs }
  return deepNetwork({ family: 'deep', activation: 'relu', ...shape, init, first })
}

/** Equation (1) from a spec of family `deep`. */
export function deepNetwork(spec: NetworkSpec): Network {
  requireCounts(spec)
  if (spec.activation !== 'relu')
    throw new SaddleError(
      'CONFIG',
      `A network of family "deep" (equation (1)) takes the activation "relu" only, got "${spec.activation}". Use relu, or the family "two-layer".`,
      { activation: spec.activation },
    )
  const layout = layoutOf(spec)
  return networkOf(spec, layout, ballOf(spec, layout), (seed, neurons) =>
    initialise(spec, seed, neurons),
  )
}

/** The names of W⁽¹⁾ … W⁽ᴴ⁾ in a copy: `layers.1`, or `layers.1+` and `layers.1-` in mirrored copies. */
function layerNames(depth: number, copy: '' | '+' | '-'): string[] {
  return Array.from({ length: depth }, (_, i) => `layers.${i + 1}${copy}`)
}

function layoutOf({ init, depth }: NetworkSpec): Layout {
  const branch = (sign: 1 | -1, copy: '' | '+' | '-', reads: Branch['reads']): Branch => ({
    sign,
    layers: layerNames(depth, copy),
    reads,
  })
  if (init === 'paper') return { activation: relu, scale: 1, branches: [branch(1, '', 'weights')] }
  if (init === 'subtract')
    return {
      activation: relu,
      scale: 1,
      branches: [branch(1, '', 'weights'), branch(-1, '', 'initial')],
    }
  if (init === 'mirrored')
    return {
      activation: relu,
      scale: Math.SQRT1_2,
      branches: [branch(1, '+', 'weights'), branch(-1, '-', 'weights')],
    }
  throw new SaddleError(
    'CONFIG',
    `A network of family "deep" takes the init paper, mirrored or subtract, got "${init}".`,
    { init },
  )
}

/** One group a layer: ‖W⁽ʰ⁾ − W⁽ʰ⁾_0‖_F ≤ R/√m, over both copies of a mirrored layer. */
function ballOf({ width, depth }: NetworkSpec, { branches }: Layout): BallGroup[] {
  const trained = branches.filter(({ reads }) => reads === 'weights')
  return Array.from({ length: depth }, (_, h) => ({
    names: trained.map(({ layers }) => layers[h]!),
    unit: 1 / Math.sqrt(width),
  }))
}

function initialise(spec: NetworkSpec, seed: number, neurons?: RowRange): Parameters {
  const { inputs: d, width: m, depth, outputs, init, first = 'folded' } = spec
  const held = heldRows(spec, m, neurons)
  const deviation = Math.sqrt(2 / m)
  const input =
    first === 'folded'
      ? drawInputMap(m, d, seed)
      : gaussianMatrix(m, d, deviation, seed, 'weights.input')
  const initial = Array.from({ length: depth }, (_, i): Matrix => {
    const cols = i === 0 ? input.rows : m
    return gaussianMatrix(held, cols, deviation, seed, `weights.layers.${i + 1}`)
  })
  const copies = init === 'mirrored' ? (['+', '-'] as const) : ([''] as const)
  const trained = copies.flatMap(copy =>
    layerNames(depth, copy).map((name, i) => trainedMatrix(name, initial[i]!)),
  )
  const output = gaussianMatrix(held, outputs, 1, seed, 'weights.output')
  return { trained, frozen: { output, input } }
}
