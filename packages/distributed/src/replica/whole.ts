import { type Attackable, bindNetwork } from '@saddle/attacks'
import type { Follower, Network } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { AttackTask, WorkerSetup } from '../pool/messages.js'
import { deliverDense, deliverFactor } from './deliver.js'
import type { ShardPasses } from './passes.js'

/**
 * Examples split: this replica passes its shard through all neurons.
 *
 * @param follower follows the search of `model`, and from there to the gradient at the point found.
 */
export function wholePasses(
  network: Network,
  setup: WorkerSetup,
  task: AttackTask,
  { model, follower }: { readonly model: Attackable; readonly follower: Follower },
): ShardPasses {
  const { parameters, comparator, workspace, stop } = setup
  return {
    model,
    comparator: comparator === null ? null : bindNetwork(network, comparator),
    signal: stopSignal(stop),
    reports: true,
    gradient: (x, cotangent, start) =>
      tf.tidy(() => {
        // A shard so wide that it is taken in chunks has no place to be followed to.
        const { outputs, factors } =
          x.shape[0] === task.stop - task.start
            ? follower.gradientFactors(x, cotangent)
            : network.gradientFactors(parameters, x, cotangent)
        factors.forEach((factor, index) => {
          const buffers = workspace.matrices[index]!
          if (buffers.form === 'factors') {
            deliverFactor(buffers, factor, { firstRow: 0, offset: task.offset + start })
            return
          }
          const to = buffers.staging[task.staging]!
          deliverDense(buffers, factor, { firstRow: 0, from: start === 0 ? null : to, to })
        })
        return outputs
      }),
  }
}

/** The run's stop flag as a signal of an attack. */
export function stopSignal(stop: Int32Array<SharedArrayBuffer>): { readonly aborted: boolean } {
  return {
    get aborted() {
      return Atomics.load(stop, 0) === 1
    },
  }
}
