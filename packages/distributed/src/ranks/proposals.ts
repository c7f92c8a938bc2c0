import type { ProposalSums } from '@saddle/core'
import { ones, type Ranks, startsOf } from './ranks.js'

/** Numbers of a block: ‖V − W_0‖², ‖G‖². */
const NUMBERS = 2

/**
 * What the blocks of all ranks measured, matrix by matrix, in the order of ranks, which is that of rows.
 *
 * @param own of this rank's blocks, a list a matrix; as many blocks in each
 */
export async function gatherProposals(
  ranks: Ranks,
  own: readonly (readonly ProposalSums[])[],
): Promise<ProposalSums[][]> {
  const blocks = own[0]!.length
  const counts = await ranks.gatherNumbers(Float64Array.of(blocks), ones(ranks.size))
  const lengths = Array.from(counts, count => count * own.length * NUMBERS)
  const packed = Float64Array.from(
    own.flatMap(matrix => matrix.flatMap(b => [b.normSquared, b.gradientSquared])),
  )
  const all = await ranks.gatherNumbers(packed, lengths)
  const starts = startsOf(lengths)
  return own.map((_, matrix) =>
    Array.from(counts).flatMap((count, rank) =>
      Array.from({ length: count }, (_, block) => {
        const at = starts[rank]! + (matrix * count + block) * NUMBERS
        return { normSquared: all[at]!, gradientSquared: all[at + 1]!, comparison: null }
      }),
    ),
  )
}
