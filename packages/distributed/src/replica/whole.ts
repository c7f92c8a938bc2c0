import { bindNetwork } from '@saddle/attacks'
import type { Network } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { AttackTask, WorkerSetup } from '../pool/messages.js'
import { deliverDense, deliverFactor } from './deliver.js'
import type { ShardPasses } from './passes.js'

/** Examples split: this replica passes its shard through all neurons. */
export function wholePasses(network: Network, setup: WorkerSetup, task: AttackTask): ShardPasses {
  const { parameters, comparator, workspace, stop } = setup
  return {
    model: bindNetwork(network, parameters),
    comparator: comparator === null ? null : bindNetwork(network, comparator),
    signal: stopSignal(stop),
    reports: true,
    gradient: (x, cotangent, start) =>
      tf.tidy(() => {
        const { outputs, factors } = network.gradientFactors(parameters, x, cotangent)
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
