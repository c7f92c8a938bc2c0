import type { AttackReply, WindowShard } from '../pool/messages.js'
import type { WorkerPool } from '../pool/pool.js'
import type { Dealing } from '../ranks/dealing.js'
import type { Ranks } from '../ranks/ranks.js'
import { pointsOf, type StepRecipe } from '../recipes/recipe.js'
import { type Range, shardsOf } from '../replica/shards.js'
import { blocksOf, type Workspace, windowStart } from '../replica/workspace.js'
import type { Team } from '../team/team.js'
import { dealExamples } from './deal-examples.js'
import { allSettledOrThrow } from './settled.js'
import { splitExamples } from './split-examples.js'
import { splitNeurons } from './split-neurons.js'
import { addTo } from './sums.js'

export interface GradientOptions {
  readonly step: number
  /** Examples in the batch; the first `batch` entries of `workspace.order`. */
  readonly batch: number
  readonly shard: number
  readonly recipe: StepRecipe
  readonly onShard: (done: number, total: number) => void
}

/** Examples start..stop of the batch, which are attacked together. */
export interface Shard extends Range {
  /** Place of its first example in the window; its further points follow, point after point. */
  readonly offset: number
  /** Which of the batch's shards it is, and how many there are. */
  readonly index: number
  readonly count: number
}

/** Who shares in the work of a step beside the pool's workers, each alone with its shards. */
export interface Sharing {
  /** Workers, of all ranks, that split the neurons; null where they split examples. */
  readonly team: Team | null
  readonly ranks: Ranks
  /** Ranks that shards are dealt to; null where this process is the only one, or does all of them itself. */
  readonly dealing: Dealing | null
}

export interface BatchGradient {
  /** One reply a shard, in example order. */
  readonly replies: readonly AttackReply[]
  /** The chunks of shards whose factors lie in the window, for matrices that have no dense sum. */
  readonly window: readonly WindowShard[]
}

/** Who attacks the shards of a batch. */
export interface ShardSource {
  /** Attacks the shards of one window; their factors are then in it. */
  attack(shards: readonly Shard[]): Promise<void>
  /** After the last window: completes the dense sums, and returns one reply a shard, in example order. */
  finish(): Promise<readonly AttackReply[]>
}

/**
 * ∇L_A(W_t) over the batch, window by window: ranks and workers share out a window's shards, or as a team the neurons
 * for each shard. What has to be summed densely is summed in example order.
 */
export async function batchGradient(
  pool: WorkerPool,
  workspace: Workspace,
  { team, dealing, ranks }: Sharing,
  options: GradientOptions,
): Promise<BatchGradient> {
  const { batch, shard } = options
  const { windowExamples, chunk } = workspace
  const points = pointsOf(options.recipe)
  const source =
    dealing !== null
      ? dealExamples(pool, workspace, dealing, options)
      : onOneRank(
          team === null
            ? splitExamples(pool, workspace, options)
            : splitNeurons(pool, team, ranks, options),
        )
  const ranges = shardsOf(batch, shard)
  let window: WindowShard[] = []
  for (let first = 0; first < batch; first += windowExamples) {
    const shards = ranges
      .map((range, index) => ({
        ...range,
        offset: windowStart(workspace) + points * (range.start - first),
        index,
        count: ranges.length,
      }))
      .filter(({ start }) => start >= first && start < first + windowExamples)
    window = shards.flatMap(shard => windowParts(shard, points, chunk))
    await source.attack(shards)
    await combineWindow(pool, workspace, window, first === 0)
  }
  return { replies: await source.finish(), window }
}

/** What of the window a shard's factors are: of each of its points, chunk by chunk. */
function windowParts({ start, stop, offset }: Shard, points: number, chunk: number): WindowShard[] {
  const examples = stop - start
  return Array.from({ length: points }, (_, point) =>
    shardsOf(examples, chunk).map(part => ({
      offset: offset + point * examples + part.start,
      count: part.stop - part.start,
    })),
  ).flat()
}

function onOneRank(
  attackShards: (shards: readonly Shard[]) => Promise<AttackReply[]>,
): ShardSource {
  const replies: AttackReply[] = []
  return {
    async attack(shards) {
      replies.push(...(await attackShards(shards)))
    },
    finish: async () => replies,
  }
}

/** Adds a window's factors to the dense sums of matrices whose factors need more than one window. */
async function combineWindow(
  pool: WorkerPool,
  workspace: Workspace,
  shards: readonly WindowShard[],
  isFirst: boolean,
): Promise<void> {
  for (const [matrix, m] of workspace.matrices.entries()) {
    if (m.form === 'dense' || m.sum === null) continue
    const tasks = blocksOf(m).map(rows => pool.run({ kind: 'combine', matrix, ...rows, shards }))
    await allSettledOrThrow(tasks)
    addTo(m.sum, m.staging[0]!, isFirst)
  }
}
