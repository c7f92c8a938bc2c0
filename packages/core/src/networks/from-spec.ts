import { SaddleError } from '../errors.js'
import { deepNetwork } from './deep.js'
import type { Network, NetworkSpec } from './network.js'
import { pairNetwork } from './two-layer.js'

/**
 * The network a spec describes: how a worker or a run folder builds it again. Programs may prefer
 * `deepReluNetwork` and `twoLayerNetwork`, which have defaults.
 *
 * @throws SaddleError CONFIG or RANGE if the spec does not describe a network of the paper.
 */
export function networkFrom(spec: NetworkSpec): Network {
  switch (spec.family) {
    case 'deep':
      return deepNetwork(spec)
    case 'two-layer':
      return pairNetwork(spec)
    default:
      throw new SaddleError(
        'CONFIG',
        `Unknown network family "${spec.family as string}"; expected deep or two-layer.`,
        { family: spec.family },
      )
  }
}
