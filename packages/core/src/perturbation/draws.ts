import * as tf from '@tensorflow/tfjs-core'
import type { Stream } from '../random/stream.js'

/**
 * Random points, drawn on the host in float64, row i from stream i alone. An `Offset` fills `out` with a point of
 * a unit ball in R^d.
 */
export type Offset = (stream: Stream, out: Float64Array) => void

/** Uniform on the sphere: a normal vector over its norm. */
export const onSphere: Offset = (stream, out) => {
  stream.fillNormal(out)
  scale(out, 1 / euclidean(out))
}

/** Uniform in the l2 ball: radius u^{1/d}. */
export const inBall: Offset = (stream, out) => {
  onSphere(stream, out)
  scale(out, stream.uniform() ** (1 / out.length))
}

/** Uniform in the cube [−1, 1]^d. */
export const inCube: Offset = (stream, out) => {
  stream.fillUniform(out)
  for (let j = 0; j < out.length; j++) out[j] = 2 * out[j]! - 1
}

/** Uniform on the surface of the cube: a point of the cube over its largest coordinate. */
export const onCube: Offset = (stream, out) => {
  inCube(stream, out)
  let largest = 0
  for (let j = 0; j < out.length; j++) largest = Math.max(largest, Math.abs(out[j]!))
  scale(out, 1 / largest)
}

/** Uniform in the l1 ball: radius u^{1/d}. */
export const inCross: Offset = (stream, out) => {
  onCross(stream, out)
  scale(out, stream.uniform() ** (1 / out.length))
}

/** Uniform on the surface of the l1 ball: signed exponential numbers over their sum. */
export const onCross: Offset = (stream, out) => {
  let sum = 0
  for (let j = 0; j < out.length; j++) {
    const size = -Math.log1p(-stream.uniform())
    sum += size
    out[j] = stream.uniform() < 0.5 ? -size : size
  }
  scale(out, 1 / sum)
}

/** Rows `fill(stream_i, x_i, out)` of float64 rounded to float32: [n, d]. */
export function drawRows(
  centres: tf.Tensor2D,
  streams: readonly Stream[],
  fill: (stream: Stream, centre: Float32Array, out: Float64Array) => void,
): tf.Tensor2D {
  const [n, d] = centres.shape
  const from = centres.dataSync<'float32'>()
  const drawn = new Float32Array(n * d)
  const row = new Float64Array(d)
  for (let i = 0; i < n; i++) {
    fill(streams[i]!, from.subarray(i * d, (i + 1) * d), row)
    drawn.set(row, i * d)
  }
  return tf.tensor2d(drawn, [n, d])
}

/** x_i + radius · offset: [n, d]. */
export function drawAround(
  centres: tf.Tensor2D,
  streams: readonly Stream[],
  radius: number,
  offset: Offset,
): tf.Tensor2D {
  return drawRows(centres, streams, (stream, centre, out) => {
    offset(stream, out)
    for (let j = 0; j < out.length; j++) out[j] = centre[j]! + radius * out[j]!
  })
}

export function euclidean(x: Float64Array): number {
  let sum = 0
  for (let j = 0; j < x.length; j++) sum += x[j]! * x[j]!
  return Math.sqrt(sum)
}

export function scale(x: Float64Array, factor: number): void {
  for (let j = 0; j < x.length; j++) x[j] = x[j]! * factor
}
