import { SaddleError } from '../errors.js'
import type { DataSpec } from './dataset.js'
import { type Points, shareFloats } from './gather.js'

/**
 * Brings all parts of a data set onto the unit sphere, by one and the same map:
 *
 *   none       x
 *   normalise  x/‖x‖
 *   bias       (x/‖x‖, v)/√(1 + v²)
 *   lift       s x, which the chart map sends to (s x, √(1 − ‖s x‖²)), s = √(1 − floor²)/max‖x‖ over all parts
 *
 * Norms are taken in float64, results rounded to float32. O(n d).
 *
 * @throws SaddleError DATA at a zero vector, which has no direction; with `lift`, if all vectors are zero.
 */
export function ontoSphere(parts: readonly Points[], sphere: DataSpec['sphere']): Points[] {
  if (sphere.kind === 'none') return [...parts]
  if (sphere.kind === 'lift') {
    const scale = liftScale(parts, sphere.floor)
    return parts.map(part =>
      mapRows(part, part.dimension, (i, j) => scale * coordinate(part, i, j)),
    )
  }
  return parts.map(part => {
    const lengths = Float64Array.from(part.rows, (_, i) => positiveNorm(part, i))
    const direction = (i: number, j: number) => coordinate(part, i, j) / lengths[i]!
    if (sphere.kind === 'normalise') return mapRows(part, part.dimension, direction)
    const { value } = sphere
    const whole = Math.sqrt(1 + value * value)
    return mapRows(part, part.dimension + 1, (i, j) =>
      j === part.dimension ? value / whole : direction(i, j) / whole,
    )
  })
}

/**
 * What lift data are multiplied by. A millionth is given up, 16 times what rounding coordinates to float32 can add to
 * a norm, so that √(1 − ‖x‖²) ≥ floor holds of the rounded points too.
 */
function liftScale(parts: readonly Points[], floor: number): number {
  let longest = 0
  for (const part of parts)
    for (let i = 0; i < part.rows.length; i++) longest = Math.max(longest, norm(part, i))
  if (longest === 0)
    throw new SaddleError(
      'DATA',
      `${parts[0]?.origin}: all examples are zero vectors, so there is no scale by which to lift them onto the sphere.`,
    )
  return ((1 - 1e-6) * Math.sqrt(1 - floor * floor)) / longest
}

function positiveNorm(part: Points, i: number): number {
  const length = norm(part, i)
  if (length > 0) return length
  throw new SaddleError(
    'DATA',
    `${part.origin}: example ${part.rows[i]} is a zero vector, which cannot be normalised: it has no direction. Remove it, or set data.sphere to lift, which takes it.`,
    { example: part.rows[i] },
  )
}

function norm({ inputs, dimension }: Points, i: number): number {
  let sum = 0
  for (let k = i * dimension; k < (i + 1) * dimension; k++) sum += inputs[k]! * inputs[k]!
  return Math.sqrt(sum)
}

function coordinate({ inputs, dimension }: Points, i: number, j: number): number {
  return inputs[i * dimension + j]!
}

function mapRows(part: Points, dimension: number, entry: (i: number, j: number) => number): Points {
  const inputs = shareFloats(part.rows.length * dimension)
  for (let i = 0; i < part.rows.length; i++)
    for (let j = 0; j < dimension; j++) inputs[i * dimension + j] = entry(i, j)
  return { ...part, inputs, dimension }
}
