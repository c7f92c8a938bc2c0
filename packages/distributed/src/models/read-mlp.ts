import { createHash } from 'node:crypto'
import { access } from 'node:fs/promises'
import { activationFrom, allocateMatrix, type Mlp, SaddleError } from '@saddle/core'
import { readSafetensors, type SafeTensor } from '../checkpoint/safetensors.js'
import { linearLayers, type NamedLinear } from './layer-order.js'

/** A perceptron from a file, with what a reader of results wants to know of it. */
export interface ReadMlp {
  readonly mlp: Mlp
  /** Names of the layers in the file, in the order in which they are applied. */
  readonly names: readonly string[]
  /** SHA-256 over activation, shapes and float32 weights, as hex. */
  readonly hash: string
  /** What was done to the numbers, for people. */
  readonly remarks: readonly string[]
}

/**
 * Reads a PyTorch `Sequential` of `Linear` layers as it was saved, `save_file(model.state_dict(), file)`: `0.weight`
 * [out, in], `0.bias` [out], `2.weight`, … with any prefix; biases may be absent. So does what `saddle export` writes.
 * Half precision is widened, which loses nothing; float64 is rounded to float32.
 *
 * @param activation between the layers, by name; may be left out where the file's metadata name it, as Saddle's do.
 * @throws SaddleError DATA if the file is missing or holds anything but layers that fit each other, CHECKPOINT if it is
 *   damaged, CONFIG if the activation is not known.
 */
export async function readMlp(file: string, activation?: string): Promise<ReadMlp> {
  await access(file).catch(() => {
    throw new SaddleError(
      'DATA',
      `Model ${file}: no such file. Give the path of a .safetensors file.`,
      { file },
    )
  })
  const { tensors, metadata } = await readSafetensors(file)
  const layers = linearLayers(file, tensors)
  checkChain(file, layers)
  const name = chooseActivation(file, layers.length, activation, metadata.activation)
  const mlp: Mlp = {
    activation: name,
    layers: layers.map(({ weight, bias }) => {
      const [rows = 0, cols = 0] = weight.shape
      const weights = allocateMatrix(rows, cols)
      copyFinite(file, weight, weights.data)
      if (bias === null) return { weights, bias: null }
      const shared = new Float32Array(new SharedArrayBuffer(4 * rows))
      copyFinite(file, bias, shared)
      return { weights, bias: shared }
    }),
  }
  const doubles = [...tensors.values()].filter(({ data }) => data instanceof Float64Array)
  return {
    mlp,
    names: layers.map(layer => layer.name),
    hash: hashOf(mlp),
    remarks: doubles.length === 0 ? [] : ['weights were float64 and are rounded to float32'],
  }
}

/** `784 → 1024 → 10, relu`. */
export function describeMlp({ layers, activation }: Mlp): string {
  const sizes = [layers[0]!.weights.cols, ...layers.map(({ weights }) => weights.rows)]
  return `${sizes.join(' → ')}, ${layers.length === 1 ? 'linear' : activation}`
}

function checkChain(file: string, layers: readonly NamedLinear[]): void {
  const shapes = layers
    .map(({ name, weight }) => `${name === '' ? 'weight' : name} [${weight.shape}]`)
    .join(', ')
  const refuse = (problem: string) =>
    new SaddleError(
      'DATA',
      `${file}: ${problem}. The layers [outputs, inputs], in order: ${shapes}. Is a layer missing, or a weight ` +
        'transposed? PyTorch saves [out, in].',
      { file, layers: layers.map(({ name, weight }) => ({ name, shape: weight.shape })) },
    )
  layers.forEach(({ name, weight, bias }, h) => {
    const [rows, cols] = weight.shape
    const below = layers[h - 1]
    if (rows === 0 || cols === 0) throw refuse(`layer "${name}" is empty`)
    if (below !== undefined && below.weight.shape[0] !== cols)
      throw refuse(
        `layer "${name}" takes ${cols} inputs, but "${below.name}" before it has ${below.weight.shape[0]} outputs`,
      )
    if (bias !== null && bias.shape[0] !== rows)
      throw refuse(`"${bias.name}" has ${bias.shape[0]} numbers for ${rows} outputs`)
  })
}

function chooseActivation(
  file: string,
  layers: number,
  asked: string | undefined,
  recorded: string | undefined,
): string {
  const wanted = asked?.toLowerCase()
  if (wanted !== undefined && recorded !== undefined && wanted !== recorded)
    throw new SaddleError(
      'CONFIG',
      `--activation is ${asked}, but ${file} says of itself that its activation is ${recorded}. Leave the option out.`,
      { asked, recorded },
    )
  const name = wanted ?? recorded ?? (layers === 1 ? 'relu' : undefined)
  if (name !== undefined) return activationFrom(name).name
  throw new SaddleError(
    'CONFIG',
    `${file} does not say which activation stands between its ${layers} layers. Name it: --activation relu.`,
    { file },
  )
}

function copyFinite(file: string, { name, data }: SafeTensor, to: Float32Array): void {
  if (data instanceof Int32Array)
    throw new SaddleError(
      'DATA',
      `${file}: tensor "${name}" holds whole numbers (I32); expected floats. Quantised models cannot be read: save the ` +
        'model with model.float().',
      { file, name },
    )
  to.set(data)
  const at = to.findIndex(value => !Number.isFinite(value))
  if (at < 0) return
  throw new SaddleError(
    'DATA',
    `${file}: number ${at} of tensor "${name}" is ${data[at]}, which is not finite in float32. The training diverged, or ` +
      'the file is of another model.',
    { file, name, at },
  )
}

function hashOf({ activation, layers }: Mlp): string {
  const hash = createHash('sha256').update(`${activation}\n`)
  for (const { weights, bias } of layers) {
    hash.update(`${weights.rows} ${weights.cols} ${bias === null ? 'no bias' : 'bias'}\n`)
    hash.update(Buffer.from(weights.data.buffer, weights.data.byteOffset, weights.data.byteLength))
    if (bias !== null) hash.update(Buffer.from(bias.buffer, bias.byteOffset, bias.byteLength))
  }
  return hash.digest('hex')
}
