import {
  compareOutputs,
  type Displacements,
  type Loss,
  l2Cap,
  type Network,
  openStream,
  type Parameters,
  projectedStep,
  type RegretTerms,
  regretTerms,
  type StepMeasures,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'

/** n random points of the unit sphere with a positive last coordinate, and alternating labels ±1. */
export const spherePoints = (n: number, d: number, seed: number) => {
  const inputs = new Float32Array(n * d)
  for (let i = 0; i < n; i++) {
    const row = inputs.subarray(i * d, (i + 1) * d)
    openStream({ seed, purpose: 'test.points', example: i }).fillNormal(row)
    row[d - 1] = Math.abs(row[d - 1]!) + 0.5
    const length = Math.hypot(...row)
    for (let k = 0; k < d; k++) row[k] = row[k]! / length
  }
  return {
    inputs,
    x: tf.tensor2d(inputs, [n, d]),
    y: tf.tensor1d(Float32Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 1 : -1))),
  }
}

/** The maximiser of the linearised loss in the cap of radius δ: one step of full radius. */
export const fastGradient = (
  network: Network,
  parameters: Parameters,
  loss: Loss,
  x: tf.Tensor2D,
  y: tf.Tensor1D,
  delta: number,
): tf.Tensor2D =>
  tf.tidy(() => {
    const { gradient } = network.inputGradient(parameters, x, f => loss.derivative(f, y))
    return l2Cap(delta).maximiseLinear(x, gradient)
  })

/** What one step of training measured. */
interface TrainedStep {
  /** L_A(W_t). */
  readonly loss: number
  readonly measures: StepMeasures
  /** Null without a comparator. */
  readonly terms: RegretTerms | null
}

export interface Training {
  readonly network: Network
  readonly loss: Loss
  readonly y: tf.Tensor1D
  readonly stepSize: number
  readonly radius: number | null
  /** W† − W_0, and the same network with the weights W†. */
  readonly comparator?: { readonly displacements: Displacements; readonly parameters: Parameters }
}

/** One full-batch step at the attacked points: attack, mean gradient, projected descent. */
export const trainStep = (
  training: Training,
  parameters: Parameters,
  attacked: tf.Tensor2D,
): TrainedStep => {
  const { network, loss, y, stepSize, radius, comparator } = training
  tf.engine().startScope()
  try {
    const { outputs, factors } = network.gradientFactors(parameters, attacked, f =>
      tf.div(loss.derivative(f, y), y.shape[0]),
    )
    const measures = projectedStep(
      parameters,
      network,
      factors,
      stepSize,
      radius,
      comparator?.displacements,
    )
    const mean = tf.mean(loss.value(outputs, y)).dataSync<'float32'>()[0]!
    if (comparator === undefined) return { loss: mean, measures, terms: null }
    const theirs = network.forward(comparator.parameters, attacked)
    const compared = compareOutputs(loss, outputs, theirs, y)
    return { loss: mean, measures, terms: regretTerms(compared, measures.comparison!) }
  } finally {
    tf.engine().endScope()
  }
}

/** The parameters of W_0 + displacement: initial and frozen matrices are shared. */
export const displaced = (
  network: Network,
  seed: number,
  displacements: Displacements,
  restoreWeights: (parameters: Parameters) => void,
): Parameters => {
  const parameters = network.initialise(seed)
  for (const { name, displacement } of parameters.trained)
    displacement.data.set(displacements[name]!.data)
  restoreWeights(parameters)
  return parameters
}
