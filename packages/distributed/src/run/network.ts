import {
  type DataSplit,
  type Matrix,
  type Network,
  type NetworkSpec,
  networkFrom,
  type Parameters,
  perturbationSetFrom,
  restoreWeights,
  SaddleError,
} from '@saddle/core'
import { latestCheckpoint, type NamedTensor, readCheckpoint } from '../checkpoint/checkpoint.js'
import { isCutByNeurons } from '../checkpoint/parts.js'
import type { Config } from '../config/schema.js'
import { openRunFolder } from './folder.js'

/** The network a configuration describes, for data of chart dimension `dimension` with `classes` classes. */
function networkSpec(config: Config, dimension: number, classes: number): NetworkSpec {
  const { family, width, depth, activation, init, first } = config.network
  return {
    family,
    width,
    depth,
    activation,
    init: init ?? (family === 'deep' ? 'paper' : 'symmetric'),
    inputs: perturbationSetFrom(config.perturbation).embeddedDimension(dimension),
    outputs: config.data.labels === 'scalar' ? 1 : classes,
    ...(first === undefined ? {} : { first }),
  }
}

export function networkOf(config: Config, data: DataSplit): Network {
  return networkFrom(networkSpec(config, data.train.dimension, data.train.classes.length))
}

/**
 * Names of a checkpoint's tensors: W_0 as `layers.1+.initial`, D = W − W_0 as `layers.1+.displacement`, frozen ones as
 * `frozen.output`, and what a recipe carries from step to step as `carried.perturbation`. In a folded network `layers.1` is U, D = U − U_0, and `frozen.input` the map F of W⁽¹⁾A = U F.
 *
 * @param arePart whether this rank alone holds the rows of its neurons, and other ranks those of others.
 */
export function tensorsOf(
  parameters: Parameters,
  carried: Matrix | null = null,
  arePart = false,
): {
  initial: NamedTensor[]
  displacement: NamedTensor[]
} {
  const named = (
    name: string,
    { rows, cols, data }: Parameters['frozen'][string],
  ): NamedTensor => ({
    name,
    shape: [rows, cols],
    data,
    ...(arePart && isCutByNeurons(name) ? { isPart: true } : {}),
  })
  return {
    initial: [
      ...parameters.trained.map(m => named(`${m.name}.initial`, m.initial)),
      ...Object.entries(parameters.frozen).map(([name, m]) => named(`frozen.${name}`, m)),
    ],
    displacement: [
      ...parameters.trained.map(m => named(`${m.name}.displacement`, m.displacement)),
      ...(carried === null ? [] : [named('carried.perturbation', carried)]),
    ],
  }
}

/** Puts a checkpoint's tensors into `parameters` and `carried`, and W = W_0 + D. */
export function restore(
  parameters: Parameters,
  checkpoint: { initial: Map<string, NamedTensor>; displacement: Map<string, NamedTensor> },
  carried: Matrix | null = null,
): void {
  const { initial, displacement } = tensorsOf(parameters, carried)
  for (const [targets, source] of [
    [initial, checkpoint.initial],
    [displacement, checkpoint.displacement],
  ] as const) {
    for (const { name, shape, data } of targets) {
      const found = source.get(name)
      if (found === undefined || found.data.length !== data.length)
        throw new SaddleError(
          'CHECKPOINT',
          `The checkpoint holds ${found === undefined ? 'no tensor' : `shape [${found.shape}] for`} "${name}"; this ` +
            `configuration needs shape [${shape}]. It belongs to another network: resume it with its own run folder.`,
          { name, expected: shape, actual: found?.shape ?? null },
        )
      data.set(found.data)
    }
  }
  restoreWeights(parameters)
}

export interface LoadedNetwork {
  readonly config: Config
  readonly network: Network
  readonly parameters: Parameters
  /** Training steps behind these weights. */
  readonly step: number
}

/**
 * The network of a run folder at its newest checkpoint, ready for `network.forward(parameters, x)`.
 *
 * @throws SaddleError CHECKPOINT if there is none, or it is damaged.
 */
export async function loadNetwork(dir: string): Promise<LoadedNetwork> {
  const { config } = await openRunFolder(dir)
  const path = await latestCheckpoint(dir)
  if (path === null)
    throw new SaddleError(
      'CHECKPOINT',
      `${dir} has no checkpoint yet. Let the run reach its first one, or continue it with \`saddle resume\`.`,
      { dir },
    )
  const checkpoint = await readCheckpoint(path)
  const network = networkFrom(checkpoint.state.network)
  const parameters = network.initialise(config.seed)
  restore(parameters, checkpoint)
  return { config, network, parameters, step: checkpoint.state.step }
}
