import {
  allocateMatrix,
  type DataSplit,
  footprintOf,
  type Loss,
  loadData,
  lossFrom,
  type Matrix,
  type Network,
  type NetworkSpec,
  type Parameters,
  perturbationSetFrom,
  SaddleError,
  stepSizeAt,
} from '@saddle/core'
import { type CheckpointState, latestCheckpoint, readCheckpoint } from '../checkpoint/checkpoint.js'
import { checkCheckpointMatches } from '../checkpoint/state.js'
import { configHash } from '../config/hash.js'
import type { Config } from '../config/schema.js'
import type { Chosen } from '../devices/resolve.js'
import { checkMemory, memoryQuestion } from '../memory/check.js'
import type { Ranks } from '../ranks/ranks.js'
import { needsOf } from '../recipes/recipe.js'
import type { Range } from '../replica/shards.js'
import { formsOf } from '../replica/workspace.js'
import { loadNetwork, networkOf, restore } from '../run/network.js'
import { rowsHeld, type SliceShare, shareSlices } from '../team/slices.js'
import { chooseSplit, type Split } from '../team/split.js'

/** Everything a run needs before its first worker starts; all bad input is found here. */
export interface Prepared {
  readonly data: DataSplit
  readonly network: Network
  readonly loss: Loss
  /** What workers and ranks share out between them. */
  readonly split: Split
  /** Where neurons are split: which of them this rank holds; `parameters` has no others. */
  readonly share: SliceShare | null
  readonly parameters: Parameters
  /** W† of the regret monitor. */
  readonly comparator: Parameters | null
  /** δ that a recipe carries from step to step, by place in the batch: [batch, d]; null where none does. */
  readonly carried: Matrix | null
  /** Where the run goes on; null at its start. */
  readonly checkpoint: CheckpointState | null
  readonly configHash: string
  /** Remarks for the log. */
  readonly remarks: readonly string[]
  /** What is to be told before the run begins. */
  readonly warnings: readonly string[]
}

/** Examples beyond these are left out of the O(n²) compatibility check. */
const COMPATIBILITY_EXAMPLES = 5000

/**
 * Loads the data, draws or restores the weights, and checks that they fit each other.
 *
 * @param directory what relative paths in the configuration are relative to.
 * @param chosen what will compute, for its memory; `here` ranks share the machine's.
 * @throws SaddleError DATA, CONFIG, INCOMPATIBLE, CHECKPOINT.
 */
export async function prepare(
  dir: string,
  config: Config,
  directory: string,
  chosen: Pick<Chosen, 'devices' | 'cards' | 'sharers'> & { readonly here: number },
  { rank, size }: Pick<Ranks, 'rank' | 'size'>,
): Promise<Prepared> {
  const data = await loadData(config.data, { seed: config.seed, directory })
  const remarks = checkCompatible(config, data)
  const loss = lossFrom(config.loss)
  const network = networkOf(config, data)
  stepSizeAt(config.descent.stepSize, 0, config.descent.steps, network, loss)
  const hash = configHash(config)
  const path = await latestCheckpoint(dir)
  const split = splitOf(config, network.spec, data.train.count)
  const rows = footprintOf(network.spec).trained[0]!.rows
  const share = split.by === 'neurons' ? shareSlices(rows, rank, size) : null
  const held = share === null ? undefined : rowsHeld(share)
  const question = memoryQuestion(
    { ...config, compute: { ...config.compute, split: split.by } },
    heldSpec(network.spec, held),
    data,
    chosen.devices,
  )
  const warnings = checkMemory(question, chosen.cards, {
    machine: chosen.here,
    card: chosen.sharers,
  })
  const checkpoint = path === null ? null : await readCheckpoint(path, held)
  if (checkpoint !== null) checkCheckpointMatches(checkpoint.state, hash, data.hash)
  const parameters = network.initialise(config.seed, held)
  const carried = carriedOf(config, data)
  if (checkpoint !== null) restore(parameters, checkpoint, carried)
  if (share !== null && size > 1) refuseComparator(config)
  const comparator = await loadComparator(config, parameters)
  return {
    data,
    network,
    loss,
    split,
    share,
    parameters,
    comparator,
    carried,
    checkpoint: checkpoint?.state ?? null,
    configHash: hash,
    remarks,
    warnings,
  }
}

function splitOf({ descent, compute, attack }: Config, spec: NetworkSpec, count: number): Split {
  const batch = batchSize(descent, count)
  const { split: asked, shard } = compute
  const needs = needsOf(attack, spec.depth)
  const forms = formsOf(footprintOf(spec).trained, batch * needs.points, compute.gradients)
  return chooseSplit(spec, forms, { asked, needs, batch, shard })
}

/** Where a recipe carries a perturbation: 0 for every place in a batch. */
function carriedOf({ attack, descent, network }: Config, { train }: DataSplit): Matrix | null {
  if (!needsOf(attack, network.depth).carries) return null
  return allocateMatrix(batchSize(descent, train.count), train.dimension)
}

/** Examples of a step, of `count` in all. */
export function batchSize({ batch }: Config['descent'], count: number): number {
  return batch === 'full' ? count : Math.min(batch, count)
}

/** A network of only the neurons that are held, which takes as much memory. */
function heldSpec(spec: NetworkSpec, held: Range | undefined): NetworkSpec {
  if (held === undefined) return spec
  const rows = held.stop - held.start
  return { ...spec, width: spec.family === 'two-layer' ? 2 * rows : rows }
}

function refuseComparator({ monitor }: Config): void {
  if (monitor.comparator === null) return
  throw new SaddleError(
    'CONFIG',
    'monitor.comparator: no rank holds all neurons where ranks split them. Take compute.split: examples, one rank, or no ' +
      'comparator.',
    { comparator: monitor.comparator },
  )
}

function checkCompatible(config: Config, { train }: DataSplit): string[] {
  const { allowIncompatible, radius } = config.perturbation
  const count = Math.min(train.count, COMPATIBILITY_EXAMPLES)
  const { dimension } = train
  const { compatible, firstPair, largestRadius } = perturbationSetFrom(
    config.perturbation,
  ).compatibility({
    ...train,
    count,
    inputs: train.inputs.subarray(0, count * dimension),
    labels: train.labels.subarray(0, count),
  })
  const scope = count < train.count ? ` (first ${count} of ${train.count} examples checked)` : ''
  if (compatible) return [`largest compatible radius ${largestRadius.toPrecision(6)}${scope}`]
  const [i, j] = firstPair!
  const problem =
    `The perturbation sets of examples ${i} and ${j}, which have different labels, meet at radius ${radius} ` +
    `(Definition 3.1)${scope}.`
  if (allowIncompatible) return [problem]
  throw new SaddleError(
    'INCOMPATIBLE',
    `${problem} No classifier can be robust on both. Radii below ${largestRadius.toPrecision(6)} are compatible with ` +
      'these data: lower perturbation.radius, or set perturbation.allowIncompatible: true to train anyway.',
    { firstPair, largestRadius, radius },
  )
}

async function loadComparator(config: Config, parameters: Parameters): Promise<Parameters | null> {
  const dir = config.monitor.comparator
  if (dir === null) return null
  const other = await loadNetwork(dir)
  const same =
    other.parameters.trained.length === parameters.trained.length &&
    other.parameters.trained.every((m, i) =>
      equalBytes(m.initial.data, parameters.trained[i]!.initial.data),
    )
  if (!same)
    throw new SaddleError(
      'CONFIG',
      `monitor.comparator: the run in ${dir} starts from other weights, so it is no point of the same ball. Name a run ` +
        'with the same network, data dimension and seed.',
      { comparator: dir },
    )
  return other.parameters
}

function equalBytes(a: Float32Array, b: Float32Array): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  )
}
