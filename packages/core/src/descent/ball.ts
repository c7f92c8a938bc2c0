import { SaddleError } from '../errors.js'
import type { BallGroup } from '../networks/network.js'
import type { ProposalSums } from './sums.js'

/** Distance from the start of one group of B(R): one layer (Section 4) or all of W (Section 5). */
export interface GroupDistance {
  /** The names of its matrices, joined by ` & `. */
  readonly group: string
  /** ‖P(V) − W_0‖_F / unit, so that it compares with R: √m·‖·‖_F a layer, or ‖·‖_F. */
  readonly distance: number
  /** The projection's scale c: 1 if it did not act. */
  readonly scale: number
}

export interface BallScales {
  /** c by name of trained matrix: for `settle`. */
  readonly scales: Readonly<Record<string, number>>
  /** One entry a group, in the order of `ball`. */
  readonly distances: readonly GroupDistance[]
}

/** Rounding c·v to float32 lengthens a vector by at most 2⁻²⁴ of itself; this much shorter, it ends inside B(R). */
const INSIDE = 1 - 2 ** -23

/**
 * The projection onto B(R), a product of Frobenius balls, as one scale a group (Sections 4 and 5 of the paper):
 *
 *   P(V) = W_0 + c (V − W_0),   c = min(1, R·unit / ‖V − W_0‖_F)
 *
 * c is taken smaller by 2⁻²³ of itself, so that the float32 result lies inside and projecting it again is the
 * identity. Known before any weight is changed.
 *
 * @param ball the network's groups; a matrix in no group is not projected.
 * @param radius R > 0; null does not project.
 * @param sums of every trained matrix over all of its rows, by name.
 * @throws SaddleError RANGE if R ≤ 0; NUMERIC if a norm is not finite, when nothing has been accepted yet.
 */
export function ballScales(
  ball: readonly BallGroup[],
  radius: number | null,
  sums: Readonly<Record<string, Pick<ProposalSums, 'normSquared'>>>,
): BallScales {
  if (radius !== null && !(radius > 0))
    throw new SaddleError('RANGE', `Radius R of the ball: expected R > 0, got ${radius}.`, {
      radius,
    })
  for (const [name, { normSquared }] of Object.entries(sums)) assertFinite(name, normSquared)
  const scales: Record<string, number> = {}
  const distances: GroupDistance[] = []
  for (const name of Object.keys(sums)) scales[name] = 1
  for (const { names, unit } of ball) {
    let normSquared = 0
    for (const name of names) normSquared += requireSums(sums, name).normSquared
    const distance = Math.sqrt(Math.max(0, normSquared)) / unit
    const scale = radius === null || distance <= radius ? 1 : (radius / distance) * INSIDE
    for (const name of names) scales[name] = scale
    distances.push({ group: names.join(' & '), distance: scale * distance, scale })
  }
  return { scales, distances }
}

function requireSums<S>(sums: Readonly<Record<string, S>>, name: string): S {
  const found = sums[name]
  if (found !== undefined) return found
  throw new SaddleError(
    'RANGE',
    `Projection: expected the sums of every matrix of the ball, got none of ${name}.`,
    { name },
  )
}

function assertFinite(name: string, normSquared: number): void {
  if (Number.isFinite(normSquared)) return
  throw new SaddleError(
    'NUMERIC',
    `The proposed update of ${name} is not finite (‖V − W₀‖² = ${normSquared}). Take a smaller step size, or \`theory\`, and look for NaN in the data.`,
    { name, normSquared },
  )
}
