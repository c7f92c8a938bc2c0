/** The closest adversarial point found so far; the centre and Infinity as long as there is none. */
export interface Closest {
  readonly point: Float32Array
  readonly distance: number
}

export function noneYet(centre: Float32Array): Closest {
  return { point: centre, distance: Number.POSITIVE_INFINITY }
}

/** The nearer of the two; the holder on a tie. */
export function nearer(holder: Closest, point: Float32Array, distance: number): Closest {
  return distance < holder.distance ? { point, distance } : holder
}
