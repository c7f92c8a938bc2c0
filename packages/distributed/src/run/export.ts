import type { Perceptron } from '@saddle/core'
import { writeSafetensors } from '../checkpoint/safetensors.js'
import { writeAtomic } from './files.js'

/**
 * Writes a network as one safetensors file of plain float32 matrices [out, in]: `layers.1.weight`, …,
 * `output.weight`, f(x) = V σ(W_H … σ(W_1 x)). PyTorch loads each as a `Linear` layer without bias. The activation
 * and `metadata` stand in the file's metadata.
 *
 * @throws SaddleError DISK if the file cannot be written; a file of that name is then as it was
 */
export async function exportPerceptron(
  perceptron: Perceptron,
  file: string,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const tensors = perceptron.layers.map(({ name, rows, cols, data }) => ({
    name,
    shape: [rows, cols],
    data,
  }))
  await writeAtomic(file, async handle => {
    await writeSafetensors(handle, tensors, { activation: perceptron.activation, ...metadata })
  })
}
