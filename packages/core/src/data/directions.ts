import type { Stream } from '../random/stream.js'

/** A point uniform on the unit sphere of R^dimension: a normal vector, normalised. */
export function randomUnit(stream: Stream, dimension: number): Float64Array {
  const out = new Float64Array(dimension)
  stream.fillNormal(out)
  return normalise(out)
}

/** A unit vector orthogonal to the unit vector `point`, uniform among them: for dimension ≥ 2. */
export function randomTangent(stream: Stream, point: Float64Array): Float64Array {
  const out = randomUnit(stream, point.length)
  for (let again = 0; again < 2; again++) {
    const along = dot(out, point)
    for (let j = 0; j < out.length; j++) out[j]! -= along * point[j]!
  }
  return normalise(out)
}

/** cos θ · point + sin θ · tangent. */
export function turn(point: Float64Array, tangent: Float64Array, angle: number): Float64Array {
  const cosine = Math.cos(angle)
  const sine = Math.sin(angle)
  return point.map((p, j) => cosine * p + sine * tangent[j]!)
}

/** Scales `vector` in place to norm 1. */
export function normalise(vector: Float64Array): Float64Array {
  const length = Math.sqrt(dot(vector, vector))
  for (let j = 0; j < vector.length; j++) vector[j]! /= length
  return vector
}

export function distance(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += (a[j]! - b[j]!) ** 2
  return Math.sqrt(sum)
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!
  return sum
}
