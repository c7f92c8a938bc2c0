import { assertShape, SaddleError } from '../errors.js'
import type { GradientFactor, Network, Parameters, TrainedMatrix } from '../networks/network.js'
import { blockRows, type Matrix, rowBlocks } from '../tensors/matrix.js'
import { ballScales, type GroupDistance } from './ball.js'
import { combineInto, type FactorArrays } from './factors.js'
import { compareStep, type ProposalSums, type StepComparison, sumProposals } from './sums.js'
import { propose, restore, settle } from './update.js'

/** W† − W_0 by name of trained matrix: what the regret monitor measures distances to. */
export type Displacements = Readonly<Record<string, Matrix>>

/** What one projected step measured. */
export interface StepMeasures {
  /** ‖∇L_A(W_t)‖_F over all trained matrices. */
  readonly gradientNorm: number
  /** Of W_{t+1}. */
  readonly distances: readonly GroupDistance[]
  readonly projected: boolean
  /** Null without a comparator. */
  readonly comparison: StepComparison | null
}

/**
 * One step of projected gradient descent on one thread: W_{t+1} = P(W_t − α G) (Section 3 of the paper).
 *
 * @param factors of ∇L_A(W_t) (cotangents ℓ'/n): at least one for every trained matrix; several of one name (of
 *   shards of examples) are summed in the order given. Not disposed of.
 * @param stepSize α; @param radius R, null does not project.
 * @param comparator W† − W_0, to measure the regret monitor's terms.
 * @throws SaddleError SHAPE, RANGE; NUMERIC if the proposal is not finite. The weights then hold no meaning, the
 *   displacement is still that of W_t.
 */
export function projectedStep(
  parameters: Parameters,
  network: Pick<Network, 'ball'>,
  factors: readonly GradientFactor[],
  stepSize: number,
  radius: number | null,
  comparator?: Displacements,
): StepMeasures {
  const sums: Record<string, ProposalSums> = {}
  for (const matrix of parameters.trained) {
    const shards = factors.filter(factor => factor.name === matrix.name)
    sums[matrix.name] = proposeAll(matrix, shards, stepSize, comparator?.[matrix.name])
  }
  const { scales, distances } = ballScales(network.ball, radius, sums)
  for (const matrix of parameters.trained) {
    settle(matrix, 0, matrix.weights.rows, scales[matrix.name]!)
  }
  const { gradientSquared } = sumProposals(Object.values(sums))
  return {
    gradientNorm: Math.sqrt(gradientSquared),
    distances,
    projected: distances.some(({ scale }) => scale < 1),
    comparison: compareStep(sums, scales),
  }
}

/** `restore` over all trained matrices: W = W_0 + D from the displacements they hold. */
export function restoreWeights(parameters: Parameters): void {
  for (const matrix of parameters.trained)
    for (const { start, stop } of blocksOf(matrix)) restore(matrix, start, stop)
}

function proposeAll(
  matrix: TrainedMatrix,
  shards: readonly GradientFactor[],
  stepSize: number,
  comparator: Matrix | undefined,
): ProposalSums {
  if (shards.length === 0)
    throw new SaddleError(
      'RANGE',
      `Projected step: expected gradient factors of every trained matrix, got none of ${matrix.name}.`,
      { name: matrix.name },
    )
  const { rows, cols } = matrix.weights
  const factors = shards.map(({ signal, input }) => {
    assertShape(`signal of ${matrix.name}`, signal.shape, [rows, input.shape[0]])
    assertShape(`input of ${matrix.name}`, input.shape, [-1, cols])
    return { signal: signal.dataSync<'float32'>(), input: input.dataSync<'float32'>() }
  })
  const gradient = new Float32Array(blockRows(rows, cols) * cols)
  return sumProposals(
    blocksOf(matrix).map(({ start, stop }) => {
      const block = gradient.subarray(0, (stop - start) * cols)
      combineInto(block, cols, rowsOfFactors(factors, cols, start, stop))
      return propose(matrix, block, start, stop, stepSize, comparator)
    }),
  )
}

function rowsOfFactors(
  factors: readonly FactorArrays[],
  cols: number,
  start: number,
  stop: number,
): FactorArrays[] {
  return factors.map(({ signal, input }) => {
    const count = input.length / cols
    return { signal: signal.subarray(start * count, stop * count), input }
  })
}

function blocksOf({ weights }: TrainedMatrix): { start: number; stop: number }[] {
  return rowBlocks(weights.rows, weights.cols)
}
