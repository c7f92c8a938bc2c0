import { createHash } from 'node:crypto'
import type { AttackSpec } from '@saddle/attacks'
import {
  type DataSpec,
  type Dataset,
  loadData,
  loadLabelled,
  lossFrom,
  perturbationSetFrom,
  SaddleError,
  type SetSpec,
} from '@saddle/core'
import { describeMlp, readMlp } from '../models/read-mlp.js'
import { type LoadedNetwork, loadNetwork } from '../run/network.js'
import { checkAttack } from './attack-list.js'
import type { ModelSetup } from './messages.js'

/** A model to be evaluated: the newest checkpoint of a run, or a perceptron in a file. */
export type ModelSource =
  | { readonly run: string }
  | { readonly file: string; readonly activation?: string | undefined }

/** Examples in files, in the units that the model was trained in. */
export interface DataFiles {
  readonly inputs: string
  readonly labels: string
  /** What inputs are divided by. Default: 255 for bytes, 1 otherwise. */
  readonly scale?: number | undefined
}

/** The model, with what an evaluation of it does unless told otherwise. */
export interface Subject {
  readonly setup: ModelSetup
  readonly source: string
  /** In words: `784 → 1024 → 10, relu`. */
  readonly description: string
  /** SHA-256 of its weights. */
  readonly hash: string
  readonly inputs: number
  readonly outputs: number
  readonly remarks: readonly string[]
  readonly defaults: {
    readonly set: SetSpec['kind']
    readonly radii: readonly number[] | null
    readonly loss: string
    readonly attacks: readonly AttackSpec[]
  }
  /** The data of the run; null for a file. */
  readonly data: DataSpec | null
  readonly seed: number
}

/** @throws SaddleError CONFIG, CHECKPOINT, DATA if there is no such run or file, or it is damaged. */
export async function openSubject(source: ModelSource): Promise<Subject> {
  return 'run' in source ? openRun(source.run) : openFile(source.file, source.activation)
}

async function openRun(dir: string): Promise<Subject> {
  const { config, network, parameters, step }: LoadedNetwork = await loadNetwork(dir)
  const { family, width, depth, activation, inputs, outputs } = network.spec
  const hash = createHash('sha256').update(JSON.stringify(network.spec))
  const frozen = Object.values(parameters.frozen)
  for (const { data } of [...parameters.trained.map(m => m.weights), ...frozen])
    hash.update(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  return {
    setup: { kind: 'network', spec: network.spec, parameters },
    source: dir,
    description: `${family} network, m = ${width}${depth > 1 ? `, H = ${depth}` : ''}, ${activation}, after ${step} steps`,
    hash: hash.digest('hex'),
    inputs,
    outputs,
    remarks: [],
    defaults: {
      set: config.perturbation.kind,
      radii: config.perturbation.radius > 0 ? [config.perturbation.radius] : null,
      loss: config.loss,
      attacks: [config.evaluation.attack],
    },
    data: config.data,
    seed: config.seed,
  }
}

async function openFile(file: string, activation: string | undefined): Promise<Subject> {
  const { mlp, hash, remarks } = await readMlp(file, activation)
  const outputs = mlp.layers.at(-1)!.weights.rows
  return {
    setup: { kind: 'mlp', mlp },
    source: file,
    description: describeMlp(mlp),
    hash,
    inputs: mlp.layers[0]!.weights.cols,
    outputs,
    remarks,
    defaults: {
      set: 'box-linf',
      radii: null,
      loss: outputs === 1 ? 'logistic' : 'cross-entropy',
      attacks: [checkAttack({ kind: 'pgd', steps: 40, stepSize: 0.1 })],
    },
    data: null,
    seed: 0,
  }
}

/** Examples of a subject. */
export interface SubjectData {
  readonly data: Dataset
  /** Shape of one example in its file: [d], [height, width], …; null for a run's own data. */
  readonly shape: readonly number[] | null
  /** The image that an example is, [height, width] or with channels first or last, where that is known. */
  readonly image: readonly number[] | null
  readonly source: string
  readonly hash: string
  readonly remarks: readonly string[]
}

/**
 * The examples in `files`, or without them a part of the run's own data.
 *
 * @throws SaddleError CONFIG where there are neither, DATA if files are wrong or do not fit the model.
 */
export async function openData(
  subject: Subject,
  files: DataFiles | undefined,
  part: 'train' | 'test' | undefined,
): Promise<SubjectData> {
  if (files !== undefined) {
    if (part !== undefined)
      throw new SaddleError(
        'CONFIG',
        '--part names a part of a run’s own data; with --data there are no parts. Leave one of the two out.',
      )
    const { outputs } = subject
    const { scale, ...named } = files
    const { data, shape, hash, remarks } = await loadLabelled({
      ...named,
      outputs,
      ...(scale === undefined ? {} : { scale }),
    })
    const image = shape.length > 1 ? shape : null
    return { data, shape, image, source: files.inputs, hash, remarks }
  }
  if (subject.data === null)
    throw new SaddleError(
      'CONFIG',
      `${subject.source} holds weights and no examples. Give them: --data X.npy --labels Y.npy.`,
      { model: subject.source },
    )
  const { train, test, hash } = await loadData(subject.data, { seed: subject.seed })
  if (part === 'test' && test === null)
    throw new SaddleError(
      'CONFIG',
      `The data of ${subject.source} have no test part. Take --part train, or give --data and --labels.`,
      { model: subject.source },
    )
  const chosen = part === 'train' || test === null ? train : test
  return {
    data: chosen,
    shape: null,
    image:
      subject.data.source.kind === 'mnist'
        ? [28 / subject.data.pool, 28 / subject.data.pool]
        : null,
    source: `${subject.data.source.kind}, ${chosen === train ? 'train' : 'test'} part`,
    hash: `${hash} ${chosen === train ? 'train' : 'test'}`,
    remarks: [],
  }
}

/** @throws SaddleError DATA, CONFIG, RANGE unless model, data, loss and set fit each other. */
export function checkFit(
  subject: Subject,
  { data, source }: SubjectData,
  setSpec: SetSpec,
  lossName: string,
): void {
  const set = perturbationSetFrom(setSpec)
  const seen = set.embeddedDimension(data.dimension)
  if (seen !== subject.inputs)
    throw new SaddleError(
      'DATA',
      `${source} has ${data.dimension} numbers an example${seen === data.dimension ? '' : ` (${seen} on the lift)`}, but ` +
        `the model takes ${subject.inputs}. Check that they belong together; images are flattened.`,
      { inputs: subject.inputs, dimension: data.dimension },
    )
  const loss = lossFrom(lossName)
  if ((loss.outputs === 'scalar') !== (subject.outputs === 1))
    throw new SaddleError(
      'CONFIG',
      `Loss "${lossName}" takes ${loss.outputs === 'scalar' ? 'one output' : 'an output a class'}, but the model has ` +
        `${subject.outputs}. Take --loss ${subject.outputs === 1 ? 'logistic' : 'cross-entropy'}.`,
      { loss: lossName, outputs: subject.outputs },
    )
}
