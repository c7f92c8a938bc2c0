import { createHash } from 'node:crypto'
import { type AttackSpec, checkStartingPoints, takesStartingPoints } from '@saddle/attacks'
import { type Dataset, loadPoints, SaddleError, type SetSpec } from '@saddle/core'

/** Adversarial points that the user knows, for the attacks that begin at one. */
export interface OpenedPoints {
  readonly source: string
  /** SHA-256 of those that are used. */
  readonly hash: string
  /** [order.length, d]: by place in the order of the examples. */
  readonly points: Float32Array
}

/** What they are for. */
interface Purpose {
  readonly data: Dataset
  readonly order: Int32Array
  readonly set: SetSpec['kind']
  readonly attacks: readonly AttackSpec[]
}

/**
 * The points in `file`: a row for every example of the data, or one for each that was chosen.
 *
 * @throws SaddleError CONFIG if no attack begins at a given point; DATA if the file cannot be read or has another number
 * of rows; SHAPE, RANGE if a row is not of the domain.
 */
export async function openStartingPoints(
  file: string,
  { data, order, set, attacks }: Purpose,
): Promise<OpenedPoints> {
  const taker = attacks.find(takesStartingPoints)
  if (taker === undefined)
    throw new SaddleError(
      'CONFIG',
      `No attack of the list (${attacks.map(({ kind }) => kind).join(', ')}) begins at an adversarial point, so ` +
        '--starting-points would not be used. Leave it out, or add boundary, hop-skip-jump, nes-partial or nes-label-only.',
      { file },
    )
  const { points, count, dimension } = await loadPoints(file)
  const chosen = order.length
  if (count !== data.count && count !== chosen)
    throw new SaddleError(
      'DATA',
      `${file}: expected a row for each of the ${data.count} examples of the data` +
        `${chosen === data.count ? '' : `, or of the ${chosen} that --examples names`}, got ${count}.`,
      { file, count },
    )
  const row = (i: number) => points.subarray(i * dimension, (i + 1) * dimension)
  const all = Array.from({ length: count }, (_, i) => row(i))
  checkStartingPoints(taker, set, [count, data.dimension], all, file)
  const used = new Float32Array(new SharedArrayBuffer(4 * chosen * dimension))
  order.forEach((example, place) => {
    used.set(row(count === chosen ? place : example), place * dimension)
  })
  return { source: file, hash: createHash('sha256').update(used).digest('hex'), points: used }
}
