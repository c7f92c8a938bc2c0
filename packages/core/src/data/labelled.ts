import { createHash } from 'node:crypto'
import { SaddleError } from '../errors.js'
import type { Dataset } from './dataset.js'
import type { Examples, Unlabelled } from './examples.js'
import { dataFile } from './file.js'
import { gather, type Points, shareFloats } from './gather.js'
import { readNpy, readNpyPoints } from './npy.js'

/** Inputs and labels for a model that exists already, in its own units and with its own labels. */
export interface LabelledData {
  readonly data: Dataset
  /** Shape of one example in the file: [d], [height, width], … */
  readonly shape: readonly number[]
  /** What inputs were divided by. */
  readonly scale: number
  /** SHA-256 of the inputs as the model sees them and of the labels, as hex. */
  readonly hash: string
  /** What was done to the numbers, for people. */
  readonly remarks: readonly string[]
}

export interface LabelledFiles {
  /** NumPy .npy file [n, d] or [n, …], which is flattened. */
  readonly inputs: string
  /** NumPy .npy file [n]. */
  readonly labels: string
  /** Of the model: 1 for labels ±1 (0 is read as −1 where all are 0 or 1), c for classes 0..c − 1. */
  readonly outputs: number
  /** What inputs are divided by. Default: 255 for bytes, 1 otherwise. */
  readonly scale?: number
  /** What relative paths are relative to; default: the working directory. */
  readonly directory?: string
}

/**
 * Reads examples and checks their labels against a model. Unlike `loadData` it renames no classes and moves no point.
 *
 * @throws SaddleError DATA if a file is missing, damaged or does not fit the other, or a label is none of the model's.
 */
export async function loadLabelled({
  inputs,
  labels,
  outputs,
  scale: asked,
  directory = process.cwd(),
}: LabelledFiles): Promise<LabelledData> {
  const examples = await readNpy(dataFile(inputs, directory), dataFile(labels, directory))
  const bytes = holdsBytes(examples)
  const scale = asked ?? (bytes ? 255 : 1)
  const points = allOf(examples, scale)
  const { values, classes, renamed } = labelsOf(examples, labels, outputs)
  const data: Dataset = {
    name: examples.origin,
    inputs: points.inputs,
    labels: shareFloats(examples.count),
    count: examples.count,
    dimension: points.dimension,
    classes,
  }
  data.labels.set(values)
  const hash = createHash('sha256')
    .update(`${data.count} ${data.dimension}\n`)
    .update(data.labels)
    .update(data.inputs)
    .digest('hex')
  return {
    data,
    shape: examples.shape,
    scale,
    hash,
    remarks: [
      ...(bytes && asked === undefined ? [`${inputs} holds bytes and is divided by 255`] : []),
      ...(renamed ? ['labels are 0 and 1 for one output: 0 is taken for −1'] : []),
    ],
  }
}

/**
 * Points without labels, in the units of the model: an NPY file [n, d] or [n, …], which is flattened; bytes are divided
 * by 255. [n, dimension].
 *
 * @throws SaddleError DATA if the file is missing or damaged, or holds what is not a finite float32.
 */
export async function loadPoints(
  file: string,
  directory = process.cwd(),
): Promise<{
  readonly points: Float32Array<SharedArrayBuffer>
  readonly count: number
  readonly dimension: number
}> {
  const read = await readNpyPoints(dataFile(file, directory))
  const { inputs, dimension } = allOf(read, holdsBytes(read) ? 255 : 1)
  return { points: inputs, count: read.count, dimension }
}

function holdsBytes({ values }: Pick<Unlabelled, 'values'>): boolean {
  return values instanceof Uint8Array && values.some(v => v > 1)
}

/** All points of a file, divided by `scale`. */
function allOf(examples: Unlabelled, scale: number): Points {
  const rows = Int32Array.from({ length: examples.count }, (_, i) => i)
  return gather({ ...examples, scale: 1 / scale }, rows, 1)
}

function labelsOf({ labels: names }: Examples, file: string, outputs: number) {
  const numbers = names.map(Number)
  if (outputs === 1) {
    const renamed = numbers.every(y => y === 0 || y === 1)
    const wrong = numbers.findIndex(y => Math.abs(y) !== 1)
    if (wrong >= 0 && !renamed)
      throw outOfRange(file, wrong, numbers[wrong]!, 'one output: −1 and 1, or 0 and 1')
    return { values: numbers.map(y => (y > 0 ? 1 : -1)), classes: ['-1', '1'], renamed }
  }
  const wrong = numbers.findIndex(y => y < 0 || y >= outputs)
  if (wrong >= 0)
    throw outOfRange(file, wrong, numbers[wrong]!, `${outputs} outputs: 0 to ${outputs - 1}`)
  const classes = Array.from({ length: outputs }, (_, k) => String(k))
  return { values: numbers, classes, renamed: false }
}

function outOfRange(file: string, example: number, label: number, expected: string): SaddleError {
  return new SaddleError(
    'DATA',
    `${file}: the label of example ${example} is ${label}, but the model has ${expected}. Are these the labels that it ` +
      'was trained with?',
    { file, example, label },
  )
}
