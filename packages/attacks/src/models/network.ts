import type { Network, Parameters } from '@saddle/core'
import type { Attackable } from '../attack.js'

/** A network at given parameters, as something to attack. The weights are read at every pass, not copied. */
export function bindNetwork(network: Network, parameters: Parameters): Attackable {
  return {
    outputs: network.spec.outputs,
    forward: x => network.forward(parameters, x),
    inputGradient: (x, cotangent) => network.inputGradient(parameters, x, cotangent),
    follow() {
      const follower = network.follow(parameters)
      return (x, cotangent) => follower.inputGradient(x, cotangent)
    },
  }
}
