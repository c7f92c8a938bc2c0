import type { AttackResult } from '@saddle/attacks'
import type { SearchReply } from './messages.js'
import { predictionsOf } from './outputs.js'

/** A reply for n examples, to be written to; `dimension` is 0 where points are not kept. */
export function emptyReply(n: number, radii: number, dimension: number): SearchReply {
  const floats = () => new Float32Array(radii * n)
  const integers = () => new Int32Array(radii * n)
  return {
    success: integers(),
    predictions: integers(),
    losses: floats(),
    distances: floats(),
    fosc: floats().fill(Number.NaN),
    gradientSteps: integers(),
    queries: integers(),
    from: integers().fill(-1),
    norms: new Float32Array(n).fill(Number.NaN),
    points: new Float32Array(radii * n * dimension),
    seconds: 0,
  }
}

/** The result at one radius, from place `at` on. */
export function writeReply(result: AttackResult, reply: SearchReply, at: number): void {
  reply.success.set(result.success.dataSync(), at)
  reply.predictions.set(predictionsOf(result.outputs).predictions, at)
  reply.losses.set(result.loss.dataSync(), at)
  reply.distances.set(result.distance.dataSync(), at)
  if (result.fosc !== null) reply.fosc.set(result.fosc.dataSync(), at)
  reply.gradientSteps.set(result.gradientSteps, at)
  reply.queries.set(result.queries, at)
  if (result.from !== null) reply.from.set(result.from, at)
  if (reply.points.length > 0) reply.points.set(result.point.dataSync(), at * result.point.shape[1])
}
