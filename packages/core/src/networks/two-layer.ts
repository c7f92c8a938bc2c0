import { activationFrom } from '../activations/by-name.js'
import { SaddleError } from '../errors.js'
import { openStream } from '../random/stream.js'
import { allocateMatrix, type Matrix, type RowRange } from '../tensors/matrix.js'
import { gaussianMatrix, trainedMatrix } from './gaussian.js'
import type { Network, NetworkSpec, Parameters } from './network.js'
import { networkOf } from './network-of.js'
import { heldRows, requireCounts } from './spec.js'

export interface TwoLayerOptions {
  /** d: dimension of the inputs. */
  readonly inputs: number
  /** m: neurons, an even number. */
  readonly width: number
  /** 1 (default), or c for c classes. */
  readonly outputs?: number
  /** By name, as `activationFrom` takes it. Default `relu`. */
  readonly activation?: string
}

/**
 * The two-layer network of equation (4) (Gao et al. 2019, Section 5):
 *
 *   f = 1/√m Σ_{r ≤ m/2} a_r σ(w_r·x) + a'_r σ(w̄_r·x)
 *
 * with w_r ~ N(0, I_d), w̄_r = w_r, a_r = ±1 and a'_r = −a_r at the start; a is frozen. w and w̄ are two trained matrices
 * [m/2, d], `layers.1+` and `layers.1-`, and pairs are summed first: f(W_0, ·) = 0 to the last bit. The ball B(R) is
 * ‖W − W_0‖_F ≤ R over both.
 *
 *     const network = twoLayerNetwork({ inputs: 784, width: 4096, activation: 'gs:0.5' })
 *
 * @throws SaddleError RANGE if a size is not a positive integer, or m is odd; CONFIG if the activation is unknown.
 */
export function twoLayerNetwork(options: TwoLayerOptions): Network {
  const { inputs, width, outputs = 1, activation = 'relu' } = options
  return pairNetwork({
    family: 'two-layer',
    activation,
    inputs,
    width,
    depth: 1,
    outputs,
    init: 'symmetric',
  })
}

const HALVES = ['layers.1+', 'layers.1-'] as const

/** Equation (4) from a spec of family `two-layer`. */
export function pairNetwork(spec: NetworkSpec): Network {
  requireCounts(spec)
  const { width, depth, init, first } = spec
  if (width % 2 !== 0 || depth !== 1)
    throw new SaddleError(
      'RANGE',
      `A network of family "two-layer" (equation (4)) pairs its neurons and has one hidden layer: expected an even width and depth 1, got width ${width} and depth ${depth}.`,
      { width, depth },
    )
  if (init !== 'symmetric' || first !== undefined)
    throw new SaddleError(
      'CONFIG',
      `A network of family "two-layer" takes the init "symmetric" and no \`first\`, got init "${init}"${first === undefined ? '' : ` and first "${first}"`}.`,
      { init, first },
    )
  const layout = {
    activation: activationFrom(spec.activation),
    scale: 1 / Math.sqrt(width),
    branches: [
      { sign: 1, layers: [HALVES[0]], reads: 'weights' },
      { sign: -1, layers: [HALVES[1]], reads: 'weights' },
    ],
  } as const
  return networkOf(spec, layout, [{ names: HALVES, unit: 1 }], (seed, neurons) =>
    initialise(spec, seed, neurons),
  )
}

function initialise(spec: NetworkSpec, seed: number, neurons?: RowRange): Parameters {
  const { inputs, width, outputs } = spec
  const held = heldRows(spec, width / 2, neurons)
  const initial = gaussianMatrix(held, inputs, 1, seed, 'weights.layers.1')
  return {
    trained: HALVES.map(name => trainedMatrix(name, initial)),
    frozen: { output: signs(held, outputs, seed) },
  }
}

/** a: entries uniform on {−1, 1}, row r from the stream of r. */
function signs({ start, stop }: RowRange, cols: number, seed: number): Matrix {
  const matrix = allocateMatrix(stop - start, cols)
  const stream = openStream({ seed, purpose: 'weights.output' })
  for (let r = 0; r < matrix.rows; r++) {
    stream.reopen(start + r)
    for (let k = 0; k < cols; k++) matrix.data[r * cols + k] = stream.uint32() < 2 ** 31 ? 1 : -1
  }
  return matrix
}
