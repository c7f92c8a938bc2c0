import {
  ballScales,
  compareStep,
  type Network,
  type Parameters,
  type StepMeasures,
  sumProposals,
} from '@saddle/core'
import type { WindowShard } from '../pool/messages.js'
import type { WorkerPool } from '../pool/pool.js'
import { gatherProposals } from '../ranks/proposals.js'
import type { Ranks } from '../ranks/ranks.js'
import { blocksOf, type Workspace } from '../replica/workspace.js'
import { allSettledOrThrow } from './settled.js'

export interface UpdateOptions {
  readonly stepSize: number
  /** R, or null to leave the iterates free. */
  readonly radius: number | null
  /** Ranks that hold rows of their own; null where this process holds all. */
  readonly ranks: Ranks | null
  /** Shards of the window, for matrices whose gradient is still in factors. */
  readonly window: readonly WindowShard[]
}

/**
 * V = W_t − α ∇L_A(W_t), then W_{t+1} = P(V) onto B(R), split by fixed row blocks over the workers.
 *
 * Two phases with a barrier after each (propose, settle); a block half-written by a worker that died is written again
 * by another. Sums are added in block order, in float64; ranks that hold other rows send each other those of theirs.
 */
export async function updateWeights(
  pool: WorkerPool,
  network: Network,
  parameters: Parameters,
  workspace: Workspace,
  options: UpdateOptions,
): Promise<StepMeasures> {
  const { ranks } = options
  const blocks = workspace.matrices.flatMap((buffers, matrix) =>
    blocksOf(buffers).map(range => ({ matrix, ...range })),
  )
  const proposing = () =>
    allSettledOrThrow(
      blocks.map(block => {
        const inFactors = workspace.matrices[block.matrix]!.sum === null
        return pool.run({
          kind: 'propose',
          ...block,
          stepSize: options.stepSize,
          shards: inFactors ? options.window : null,
        })
      }),
    )
  const own = ranks === null ? await proposing() : await ranks.together(proposing)
  const byMatrix = parameters.trained.map((_, matrix) =>
    own.filter((_, i) => blocks[i]!.matrix === matrix),
  )
  const all = ranks === null ? byMatrix : await gatherProposals(ranks, byMatrix)
  const sums = Object.fromEntries(
    parameters.trained.map(({ name }, matrix) => [name, sumProposals(all[matrix]!)]),
  )
  const { scales, distances } = ballScales(network.ball, options.radius, sums)
  await allSettledOrThrow(
    blocks.map(block => {
      const { name } = parameters.trained[block.matrix]!
      return pool.run({ kind: 'settle', ...block, scale: scales[name]! })
    }),
  )
  return {
    gradientNorm: Math.sqrt(sumProposals(Object.values(sums)).gradientSquared),
    distances,
    projected: distances.some(({ scale }) => scale < 1),
    comparison: compareStep(sums, scales),
  }
}
