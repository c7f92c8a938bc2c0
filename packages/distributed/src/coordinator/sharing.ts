import type { Config } from '../config/schema.js'
import { type Device, shardsInFlight } from '../devices/device.js'
import { Dealing } from '../ranks/dealing.js'
import type { Ranks } from '../ranks/ranks.js'
import { type Travel, travelsOf } from '../ranks/travel.js'
import { needsOf } from '../recipes/recipe.js'
import { createWorkspace, travellingForms, type Workspace } from '../replica/workspace.js'
import { neuronsOf } from '../team/slices.js'
import type { Split } from '../team/split.js'
import { createTeam } from '../team/team.js'
import type { Sharing } from './gradient.js'
import { batchSize, type Prepared } from './prepare.js'

/** Who shares in the work of a run, and the buffers through which they do. */
export interface Arrangement {
  readonly split: Split
  readonly sharing: Sharing
  readonly workspace: Workspace
  /** How gradients get from rank to rank; none on one rank. */
  readonly travels: readonly Travel[]
}

/**
 * Decides what workers and ranks share out, and allocates the buffers.
 *
 * @param devices of this rank's workers
 * @param workers of each rank
 */
export function arrange(
  config: Config,
  { parameters, network, data, comparator, carried, split, share }: Prepared,
  devices: readonly Device[],
  ranks: Ranks,
  workers: readonly number[],
): Arrangement {
  const { count } = data.train
  const { shard, window: windowBytes, sums, deal, gradients } = config.compute
  const batch = batchSize(config.descent, count)
  const { points } = needsOf(config.attack, network.spec.depth)
  const { inputs, outputs } = network.spec
  const examples = Math.min(shard, Math.max(count, data.test?.count ?? 0))
  const team = share === null ? null : createTeam(share, { examples, inputs, outputs })
  const dealt = ranks.size > 1 && team === null
  const shapes = parameters.trained.map(({ name, weights }) => ({ ...weights, name }))
  const onDevice = config.compute.update === 'device' && team === null
  const travels = dealt
    ? travelsOf(travellingForms(shapes, { batch, windowBytes, gradients, onDevice, points }), {
        ranks: ranks.size,
        shards: Math.ceil(batch / shard),
        sums,
      })
    : []
  const compared = comparator !== null
  const dealing = dealt ? new Dealing({ ranks, workers, deal, travels, compared }) : null
  const workspace = createWorkspace(parameters, {
    examples: count,
    batch,
    shard,
    windowBytes,
    gradients,
    points,
    carried,
    inFlight: dealing?.staging ?? (team ? Number(batch > shard) : shardsInFlight(devices)),
    onDevice,
    ...(share === null ? {} : { neurons: neuronsOf(share) }),
  })
  return { split, sharing: { team, dealing, ranks }, workspace, travels }
}
