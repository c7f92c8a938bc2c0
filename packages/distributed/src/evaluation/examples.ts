import { writeSafetensors } from '../checkpoint/safetensors.js'
import { writeAtomic } from '../run/files.js'
import type { Resolved } from './resolve.js'
import type { Findings } from './summary.js'

/**
 * examples.safetensors: what became of every example. Tensors by name:
 *
 *   index, label, prediction, correct, loss    [n]  of the model without an attack
 *   standing                                   [radii, n]  1 where no attack succeeded here or at a smaller radius
 *   success, adversarial-loss, distance, fosc, queries, gradient-steps, adversarial-prediction, from
 *                                              [attacks, radii, n]
 *   norm                                       [attacks, n]  of minimum-norm attacks; NaN elsewhere
 */
export async function writeExamples(
  file: string,
  { job }: Resolved,
  { clean, searched, standing }: Findings,
): Promise<void> {
  const { order, data, radii, attacks } = job
  const n = order.length
  const each = [attacks.length, radii.length, n]
  const stacked = <T extends Float32Array | Int32Array>(
    name: string,
    parts: readonly T[],
    empty: T,
    shape: readonly number[],
  ) => {
    parts.forEach((part, i) => {
      empty.set(part, i * n)
    })
    return { name, shape, data: empty }
  }
  const rows = attacks.length * radii.length
  const all = searched.flatMap(attack => attack.radii)
  const floats = (name: string, key: 'losses' | 'distances' | 'fosc') =>
    stacked(
      name,
      all.map(at => at[key]),
      new Float32Array(rows * n),
      each,
    )
  const integers = (
    name: string,
    key: 'success' | 'queries' | 'gradientSteps' | 'predictions' | 'from',
  ) =>
    stacked(
      name,
      all.map(at => at[key]),
      new Int32Array(rows * n),
      each,
    )
  await writeAtomic(file, async handle => {
    await writeSafetensors(handle, [
      { name: 'index', shape: [n], data: Int32Array.from(order) },
      { name: 'label', shape: [n], data: Float32Array.from(order, e => data.labels[e]!) },
      { name: 'prediction', shape: [n], data: clean.predictions },
      { name: 'correct', shape: [n], data: clean.correct },
      { name: 'loss', shape: [n], data: clean.losses },
      stacked('standing', standing, new Int32Array(radii.length * n), [radii.length, n]),
      integers('success', 'success'),
      integers('adversarial-prediction', 'predictions'),
      floats('adversarial-loss', 'losses'),
      floats('distance', 'distances'),
      floats('fosc', 'fosc'),
      integers('queries', 'queries'),
      integers('gradient-steps', 'gradientSteps'),
      integers('from', 'from'),
      stacked(
        'norm',
        searched.map(({ norms }) => norms),
        new Float32Array(attacks.length * n),
        [attacks.length, n],
      ),
    ])
  })
}
