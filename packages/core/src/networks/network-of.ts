import type { Layout } from './branches.js'
import { follow } from './follow.js'
import { firstBlockGradient, jointGradients } from './joint.js'
import type { BallGroup, Network, NetworkSpec } from './network.js'
import { forward, gradientFactors, inputGradient } from './passes.js'
import { perceptronOf } from './perceptron.js'

/** A network from its layout: the passes are the same for all of them. */
export function networkOf(
  spec: NetworkSpec,
  layout: Layout,
  ball: readonly BallGroup[],
  initialise: Network['initialise'],
): Network {
  return {
    spec,
    activation: layout.activation,
    ball,
    initialise,
    forward: (parameters, x) => forward(layout, parameters, x),
    inputGradient: (parameters, x, cotangent) => inputGradient(layout, parameters, x, cotangent),
    follow: parameters => follow(layout, parameters),
    gradientFactors: (parameters, x, cotangent) =>
      gradientFactors(layout, parameters, x, cotangent),
    jointGradients: (parameters, x, cotangent) => jointGradients(layout, parameters, x, cotangent),
    firstBlockGradient: (parameters, x, adjoint) =>
      firstBlockGradient(layout, parameters, x, adjoint),
    toPerceptron: parameters => perceptronOf(layout, parameters),
  }
}
