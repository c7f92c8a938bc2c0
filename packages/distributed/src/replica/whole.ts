import { type Attackable, bindNetwork } from '@saddle/attacks'
import type { Follower, GradientFactor, Network } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { AttackTask, WorkerSetup } from '../pool/messages.js'
import { deliverDense, deliverFactor } from './deliver.js'
import type { GradientPlace, ShardPasses } from './passes.js'

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
  const examples = task.stop - task.start
  const deliver = (factors: readonly GradientFactor[], { start, point }: GradientPlace) => {
    factors.forEach((factor, index) => {
      const buffers = workspace.matrices[index]!
      if (buffers.form === 'factors') {
        const offset = task.offset + point * examples + start
        deliverFactor(buffers, factor, { firstRow: 0, offset })
        return
      }
      const to = buffers.staging[task.staging]!
      const from = start === 0 && point === 0 ? null : to
      deliverDense(buffers, factor, { firstRow: 0, from, to })
    })
  }
  return {
    model,
    comparator: comparator === null ? null : bindNetwork(network, comparator),
    signal: stopSignal(stop),
    reports: true,
    gradient: (x, cotangent, place) =>
      tf.tidy(() => {
        // A shard so wide that it is taken in chunks has no place to be followed to.
        const { outputs, factors } =
          x.shape[0] === examples
            ? follower.gradientFactors(x, cotangent)
            : network.gradientFactors(parameters, x, cotangent)
        deliver(factors, place)
        return outputs
      }),
    joint(x, cotangent, place) {
      const { factors, ...rest } = network.jointGradients(parameters, x, cotangent)
      deliver(factors, place)
      tf.dispose(factors.map(({ signal, input }) => [signal, input]))
      return rest
    },
    firstBlock: (x, adjoint) => network.firstBlockGradient(parameters, x, adjoint),
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
