import { SaddleError } from '../errors.js'
import { rowsOf } from '../tensors/matrix.js'
import type { Parameters } from './network.js'

/**
 * Neurons start..stop of a network with one hidden layer, sharing its memory:
 *
 *   f(x) = scale · Σ_r a_r σ(w_r·x)   is the sum of f over slices that cut all rows r, and so are ∇_x f and its output
 *
 * A slice is a network of the same layout: the passes of the whole `Network` take it as they take the whole. Both
 * halves of a pair, both copies of a mirrored neuron and what is subtracted from it lie in one slice, and the scale
 * stays that of the whole network. A frozen first map comes before all neurons and is not cut.
 *
 * For passes only: what the update keeps beside weights, initial values and displacement is left out.
 *
 * @throws SaddleError SHAPE if there is more than one hidden layer, RANGE if the rows are not those of a slice.
 */
export function sliceParameters(
  { trained, frozen }: Parameters,
  start: number,
  stop: number,
): Parameters {
  const deeper = trained.find(({ name }) => !/^layers\.1[+-]?$/.test(name))
  if (deeper !== undefined)
    throw new SaddleError(
      'SHAPE',
      `Slices of neurons: expected one hidden layer, got the matrix "${deeper.name}", whose rows need every neuron below.`,
      { name: deeper.name },
    )
  const { rows } = trained[0]!.weights
  if (!(0 <= start && start < stop && stop <= rows))
    throw new SaddleError(
      'RANGE',
      `Slices of neurons: expected 0 ≤ start < stop ≤ ${rows}, got ${start}..${stop}.`,
      { start, stop, rows },
    )
  return {
    trained: trained.map(({ name, weights, initial, displacement }) => ({
      name,
      weights: rowsOf(weights, start, stop),
      initial: rowsOf(initial, start, stop),
      displacement: rowsOf(displacement, start, stop),
    })),
    frozen: { ...frozen, output: rowsOf(frozen.output!, start, stop) },
  }
}
