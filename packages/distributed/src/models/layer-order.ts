import { SaddleError } from '@saddle/core'
import type { SafeTensor } from '../checkpoint/safetensors.js'

/** The tensors of one `Linear` layer, and what a state dict calls it: `0`, `net.2`, `output`; empty for a lone layer. */
export interface NamedLinear {
  readonly name: string
  /** [out, in] */
  readonly weight: SafeTensor
  /** [out] */
  readonly bias: SafeTensor | null
}

/**
 * The `Linear` layers of a state dict in the order in which they are applied, which only their numbers tell: a
 * safetensors file keeps no order. All names but one must be the same up to their numbers (`0`, `2`, `4`; `net.fc1`,
 * `net.fc2`); a single one without a number, such as `output`, comes last.
 *
 * @throws SaddleError DATA, naming the tensor, if something is no weight or bias of a `Linear` layer, or if the order
 *   cannot be told.
 */
export function linearLayers(
  file: string,
  tensors: ReadonlyMap<string, SafeTensor>,
): readonly NamedLinear[] {
  const parts = new Map<string, { weight?: SafeTensor; bias?: SafeTensor }>()
  for (const tensor of tensors.values()) {
    const [, stem, kind] = /^(?:(.*)\.)?(weight|bias)$/.exec(tensor.name) ?? []
    const rank = kind === 'weight' ? 2 : 1
    if (kind === undefined || tensor.shape.length !== rank) throw notLinear(file, tensor)
    parts.set(stem ?? '', { ...parts.get(stem ?? ''), [kind]: tensor })
  }
  const layers = [...parts].map(([name, { weight, bias = null }]): NamedLinear => {
    if (weight !== undefined) return { name, weight, bias }
    throw new SaddleError(
      'DATA',
      `${file} holds ${bias?.name} but no weight beside it. Save the whole model: save_file(model.state_dict(), …).`,
      { file, name: bias?.name },
    )
  })
  if (layers.length > 0) return inOrder(file, layers)
  throw new SaddleError(
    'DATA',
    `${file} holds no tensor. Save the model with save_file(model.state_dict(), …).`,
    { file },
  )
}

function notLinear(file: string, { name, shape }: SafeTensor): SaddleError {
  return new SaddleError(
    'DATA',
    `${file}: tensor "${name}" of shape [${shape}] is no weight [out, in] or bias [out] of a Linear layer. Only a ` +
      'perceptron can be read: Linear layers with one activation between them, saved as 0.weight, 0.bias, 2.weight, … ' +
      'Fold a normalisation into the layer after it, or write the model as a function of tensors (see tensorModel).',
    { file, name, shape },
  )
}

function inOrder(file: string, layers: readonly NamedLinear[]): NamedLinear[] {
  const plain = layers.filter(({ name }) => !/\d/.test(name))
  const numbered = layers.filter(({ name }) => /\d/.test(name))
  const patterns = new Set(numbered.map(({ name }) => name.replace(/\d+/g, '#')))
  if (plain.length > 1 || patterns.size > 1)
    throw new SaddleError(
      'DATA',
      `${file}: the names do not tell the order of the layers: ${layers.map(({ name }) => `"${name}"`).join(', ')}. ` +
        'Expected one name with growing numbers, such as 0, 2, 4 or net.fc1, net.fc2, and at most one without a number, ' +
        'which comes last. Save them as one nn.Sequential, or rename them.',
      { file, names: layers.map(({ name }) => name) },
    )
  return [...numbered.sort((a, b) => compareNumbers(a.name, b.name)), ...plain]
}

/** By their numbers, first to last: `net.2` before `net.10`. */
function compareNumbers(a: string, b: string): number {
  const [p, q] = [a, b].map(name => (name.match(/\d+/g) ?? []).map(Number))
  for (const [i, number] of p!.entries()) if (number !== q![i]) return number - q![i]!
  return 0
}
