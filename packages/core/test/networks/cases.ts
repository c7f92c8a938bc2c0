import { type Network, type NetworkSpec, networkFrom } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import { normals, perturb, scoped } from './reference.js'

export const N = 5
export const INPUTS = 4
export const WIDTH = 10

/** Every network × activation × output count, small. */
export const SPECS: NetworkSpec[] = [1, 3].flatMap(outputs => [
  ...(['paper', 'mirrored', 'subtract'] as const).flatMap(init =>
    (['folded', 'dense'] as const).flatMap(first =>
      [1, 2, 3].map(
        depth =>
          ({
            family: 'deep',
            activation: 'relu',
            inputs: INPUTS,
            width: WIDTH,
            depth,
            outputs,
            init,
            first,
          }) as const,
      ),
    ),
  ),
  ...[
    'relu',
    'gs:0.5',
    'softplus:2',
    'tanh',
    'erf',
    'gelu',
    'silu',
    'sincos',
    'quadratic-relu',
  ].map(
    activation =>
      ({
        family: 'two-layer',
        activation,
        inputs: INPUTS,
        width: WIDTH,
        depth: 1,
        outputs,
        init: 'symmetric',
      }) as const,
  ),
])

/** Shapes that the wasm backend reads in several blocks of rows, with a short last one. */
export const BLOCKED: NetworkSpec[] = [1, 2].flatMap(outputs => [
  { ...SPECS[0]!, inputs: 3, width: 900, depth: 1, first: 'dense', outputs },
  { ...SPECS[0]!, inputs: 3, width: 900, depth: 2, init: 'mirrored', outputs },
  { ...SPECS.at(-1)!, activation: 'gs:0.5', inputs: 16384, width: 80, outputs },
])

export const describe = ({ family, activation, init, first, depth, outputs }: NetworkSpec) =>
  [family, activation, init, first, `H=${depth}`, `c=${outputs}`].filter(Boolean).join(' ')

/** A network away from its start, examples, and fixed cotangents. */
export function setUp(spec: NetworkSpec) {
  const network = networkFrom(spec)
  const parameters = network.initialise(7)
  perturb(parameters, 11, 0.3)
  const x = normals(N * spec.inputs, 3, 1 / Math.sqrt(spec.inputs))
  const c = normals(N * spec.outputs, 5)
  return { network, parameters, x, c }
}

/** Float32 sums of some ten terms each, through up to four layers: relative to the largest entry. */
export const TOLERANCE = 5e-6

/** Largest difference, relative to the largest entry wanted (or 1); NaN is infinitely far from everything. */
export function worst(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (got.length !== wanted.length) return Number.POSITIVE_INFINITY
  let size = 1
  let error = 0
  for (let i = 0; i < got.length; i++) {
    size = Math.max(size, Math.abs(wanted[i]!))
    const gap = Math.abs(got[i]! - wanted[i]!)
    error = Math.max(error, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap)
  }
  return error / size
}

/** signal · input of every factor, as plain arrays. */
export function passesOf(
  network: Network,
  parameters: ReturnType<Network['initialise']>,
  x: Float32Array,
  c: Float32Array,
) {
  const n = x.length / network.spec.inputs
  return scoped(() => {
    const points = tf.tensor2d(x, [n, network.spec.inputs])
    const cotangent = () => tf.tensor2d(c, [n, network.spec.outputs])
    const towardsInput = network.inputGradient(parameters, points, cotangent)
    const towardsWeights = network.gradientFactors(parameters, points, cotangent)
    return {
      outputs: network.forward(parameters, points).dataSync(),
      outputsBeside: [towardsInput.outputs.dataSync(), towardsWeights.outputs.dataSync()],
      inputGradient: towardsInput.gradient.dataSync(),
      names: towardsWeights.factors.map(({ name }) => name),
      weightGradients: towardsWeights.factors.map(({ signal, input }) =>
        tf.matMul(signal, input).dataSync(),
      ),
    }
  })
}
