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
import type { Range as RowRange } from '../replica/shards.js'
import { logUpdate } from '../replica/update-log.js'
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
 *
 * Of a matrix that devices update themselves one device proposes; the scale is written to the log, and every device
 * makes the update when it next needs the weights. The host's copy is then that of an earlier step: see `bringHome`.
 */
export async function updateWeights(
  pool: WorkerPool,
  network: Network,
  parameters: Parameters,
  workspace: Workspace,
  options: UpdateOptions,
): Promise<StepMeasures> {
  const { ranks, stepSize } = options
  const blocks = hostBlocks(workspace, false)
  const proposing = () =>
    allSettledOrThrow([
      ...blocks.map(async block => {
        const inFactors = workspace.matrices[block.matrix]!.sum === null
        const shards = inFactors ? options.window : null
        return { ...block, sums: await pool.run({ kind: 'propose', ...block, stepSize, shards }) }
      }),
      ...matricesOnDevice(workspace).map(async matrix => {
        const { window } = options
        const sums = await pool.run({ kind: 'propose-on-device', matrix, stepSize, window })
        return { matrix, sums }
      }),
    ])
  const own = ranks === null ? await proposing() : await ranks.together(proposing)
  const byMatrix = parameters.trained.map((_, index) =>
    own.filter(({ matrix }) => matrix === index).map(({ sums }) => sums),
  )
  const all = ranks === null ? byMatrix : await gatherProposals(ranks, byMatrix)
  const sums = Object.fromEntries(
    parameters.trained.map(({ name }, matrix) => [name, sumProposals(all[matrix]!)]),
  )
  const { scales, distances } = ballScales(network.ball, options.radius, sums)
  const scaleOf = (matrix: number) => scales[parameters.trained[matrix]!.name]!
  await settleAll(pool, blocks, scaleOf)
  const { version, log } = workspace
  if (log !== null)
    logUpdate(log, Atomics.load(version, 0), {
      stepSize: options.stepSize,
      scales: parameters.trained.map((_, matrix) => scaleOf(matrix)),
      window: options.window,
    })
  Atomics.add(version, 0, 1)
  if (log !== null && version[0]! - log.base[0]! === log.slots) await bringHome(pool, workspace)
  return {
    gradientNorm: Math.sqrt(sumProposals(Object.values(sums)).gradientSquared),
    distances,
    projected: distances.some(({ scale }) => scale < 1),
    comparison: compareStep(sums, scales),
  }
}

/**
 * Makes the host's W and D those of now, where devices have updated them since: for a checkpoint, a hash, whoever reads
 * weights on the host. D comes from a device into `weights`, then `settle` accepts it: a worker that dies in either
 * phase costs nothing, since D of before is whole until all of the new one is there.
 */
export async function bringHome(pool: WorkerPool, workspace: Workspace): Promise<void> {
  const { log, version } = workspace
  if (log === null || log.base[0] === version[0]) return
  const fetches = matricesOnDevice(workspace).map(matrix => pool.run({ kind: 'fetch', matrix }))
  await allSettledOrThrow(fetches)
  await settleAll(pool, hostBlocks(workspace, true), () => 1)
  Atomics.store(log.base, 0, Atomics.load(version, 0))
}

type Block = RowRange & { readonly matrix: number }

/** The row blocks of all matrices that devices update themselves, or of all others. */
function hostBlocks({ matrices }: Workspace, onDevice: boolean): Block[] {
  return matrices.flatMap((buffers, matrix) =>
    buffers.onDevice === onDevice ? blocksOf(buffers).map(range => ({ matrix, ...range })) : [],
  )
}

function matricesOnDevice({ matrices }: Workspace): number[] {
  return matrices.flatMap(({ onDevice }, matrix) => (onDevice ? [matrix] : []))
}

async function settleAll(
  pool: WorkerPool,
  blocks: readonly Block[],
  scaleOf: (matrix: number) => number,
): Promise<void> {
  await allSettledOrThrow(
    blocks.map(block => pool.run({ kind: 'settle', ...block, scale: scaleOf(block.matrix) })),
  )
}
