/**
 * What a two-layer kernel depends on: the second moments of (⟨w, x⟩, ⟨w, y⟩) for w ~ N(0, I).
 * Plain float64; x and y are points of any length.
 */
export interface PointPair {
  /** ‖x‖², ‖y‖², ⟨x, y⟩. */
  readonly xx: number
  readonly yy: number
  readonly xy: number
  /** The angle between x and y, accurate however small: 0…π, 0 where a point is 0. */
  readonly angle: number
}

/**
 * The moments of a pair and its angle
 *
 *   θ = 2 atan2(‖x̂ − ŷ‖, ‖x̂ + ŷ‖),  x̂ = x/‖x‖
 *
 * which keeps full relative accuracy near 0 and π, where arccos of the inner product loses half of the digits.
 */
export function pointPair(x: ArrayLike<number>, y: ArrayLike<number>): PointPair {
  let xx = 0
  let yy = 0
  let xy = 0
  for (let i = 0; i < x.length; i++) {
    xx += x[i]! * x[i]!
    yy += y[i]! * y[i]!
    xy += x[i]! * y[i]!
  }
  const lengthX = Math.sqrt(xx)
  const lengthY = Math.sqrt(yy)
  let difference = 0
  let sum = 0
  for (let i = 0; i < x.length; i++) {
    const a = x[i]! * lengthY
    const b = y[i]! * lengthX
    difference += (a - b) ** 2
    sum += (a + b) ** 2
  }
  return { xx, yy, xy, angle: 2 * Math.atan2(Math.sqrt(difference), Math.sqrt(sum)) }
}

/** The pair of two unit points at a given angle. */
export function unitPair(angle: number): PointPair {
  return { xx: 1, yy: 1, xy: Math.cos(angle), angle }
}
