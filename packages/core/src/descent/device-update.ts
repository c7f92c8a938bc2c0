import type { Matrix } from '../tensors/matrix.js'
import type { FactorArrays } from './factors.js'
import type { ProposalSums } from './sums.js'

/** The matrices of W = W_0 + D, as in `TrainedMatrix`. */
export interface UpdatedMatrix {
  readonly name: string
  readonly weights: Matrix
  readonly initial: Matrix
  readonly displacement: Matrix
}

/**
 * W, D and W_0 of one trained matrix in the memory of this thread's device, where they are updated in the two phases of
 * update.ts. Passes read this W; the host's W and D are left as they were.
 *
 * Equal devices get the same bits: each computes all of it, in an order that the shape decides.
 */
export interface DeviceUpdate {
  /**
   * V − W_0 = D − α G with G = Σ_s signal_s · input_s in one float32 product a block of rows; sums in float64. W holds
   * V − W_0 until it is settled; done again with the same arguments it does the same, since D is only read.
   *
   * @param factors of shards in example order, as `combineInto` takes them.
   * @param comparator [rows, cols]: W† − W_0.
   */
  propose(factors: readonly FactorArrays[], stepSize: number, comparator?: Matrix): ProposalSums
  /** D ← c (V − W_0), W ← W_0 + D. */
  settle(scale: number): void
  /** Copies D into `out`, [rows · cols]. */
  read(out: Float32Array): void
  /** Gives W and D back. */
  close(): void
}
