import type { Network } from '@saddle/core'
import type { TeamTask, WorkerSetup } from '../pool/messages.js'
import { deliverDense, deliverFactor } from '../replica/deliver.js'
import type { GradientPlace, ShardPasses } from '../replica/passes.js'
import type { GradientBuffers } from '../replica/workspace.js'
import { Exchange } from './exchange.js'
import { SlicedNetwork, type SliceFollowers } from './sliced-network.js'

/**
 * Neurons split: this replica is one of a team that attacks a shard together. It reads and differentiates the rows of
 * its own slices only; what goes between the members are sums over slices.
 */
export function memberPasses(
  network: Network,
  setup: WorkerSetup,
  task: TeamTask,
  followers: SliceFollowers,
): ShardPasses {
  const { parameters, comparator, workspace, stop } = setup
  const team = setup.team!
  const exchange = new Exchange(team, task, stop)
  const examples = task.stop - task.start
  const model = new SlicedNetwork(network, parameters, team, exchange, { examples, followers })
  return {
    model,
    comparator: comparator === null ? null : new SlicedNetwork(network, comparator, team, exchange),
    // The barrier of every pass looks at the stop flag, for all members at once.
    signal: null,
    reports: task.member === 0,
    gradient: (x, cotangent, place) =>
      model.gradientFactors(x, cotangent, (factors, firstRow) => {
        factors.forEach((factor, index) => {
          const buffers = workspace.matrices[index]!
          if (buffers.form === 'factors') {
            const offset = task.offset + place.point * examples + place.start
            deliverFactor(buffers, factor, { firstRow, offset })
          } else deliverDense(buffers, factor, { firstRow, ...accumulation(buffers, task, place) })
        })
      }),
    joint: null,
    firstBlock: null,
  }
}

/**
 * A dense gradient grows shard by shard, from one buffer into the other, so that a shard can be done again; the last
 * shard writes `sum`. Chunks of a shard after the first, and further points, go on in the buffer that it writes.
 */
function accumulation(
  { sum, staging }: GradientBuffers,
  { shard, shards }: TeamTask,
  { start, point }: GradientPlace,
): { from: Float32Array | null; to: Float32Array } {
  const [to, other] = (shards - 1 - shard) % 2 === 0 ? [sum!, staging[0]!] : [staging[0]!, sum!]
  if (start > 0 || point > 0) return { from: to, to }
  return { from: shard === 0 ? null : other, to }
}
