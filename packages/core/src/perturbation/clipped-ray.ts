import * as tf from '@tensorflow/tfjs-core'
import { scaledRows, signs } from './rows.js'

/** Stands for s → ∞: its root times any entry above 1e-12 of the largest reaches the border of the box. */
const FAR = 1e30
/** Pieces of φ that Newton's method may walk through; a handful is usual. Short of the end, x(s) is still feasible. */
const MOST_PIECES = 100

/**
 * The ray x(s) = clip(x_0 + s v, 0, 1), for the s > 0 at which ‖x(s) − x_0‖₂ = δ, or `reach` if that comes first:
 * [n, d], with x_0 in [0, 1]^d. It solves both problems over the box ∩ l2 ball, by their optimality conditions:
 *
 *   project z          v = z − x_0, reach s = 1 (the multiplier of the ball is 1/s − 1)
 *   argmax of ⟨g, x⟩   v = g, no reach (a ball that does not bind leaves the corner of the box)
 *
 * With r_j the room from x_0 to the border of the box along v_j and q = s²,
 *
 *   φ(q) = ‖x(s) − x_0‖² = Σ_j min(q v_j², r_j²)
 *
 * is concave, increasing and piecewise linear. Newton's method from the left therefore climbs monotonically, passes
 * each piece at most once and ends exactly at the solution, so every iterate is feasible. A finished row is a fixed
 * point, so the others do not change it. One scalar a piece is read back to see whether any row still moves.
 */
export function clippedRay(
  centres: tf.Tensor2D,
  direction: tf.Tensor2D,
  radius: number,
  reach?: number,
): tf.Tensor2D {
  const { scale, scaled } = scaledRows(direction)
  const away = tf.greater(scaled, 0)
  const room: tf.Tensor2D = tf.maximum(tf.where(away, tf.sub(1, centres), centres), 0)
  const v2: tf.Tensor2D = tf.square(scaled)
  const r2: tf.Tensor2D = tf.square(room)
  const end = reach === undefined ? FAR : tf.square(tf.mul(scale, reach))
  const limit: tf.Tensor2D = tf.minimum(tf.add(end, tf.zerosLike(scale)), FAR)
  const q = newtonFromTheLeft(v2, r2, radius * radius, limit)
  const moved = tf.minimum(tf.mul(tf.sqrt(q), tf.abs(scaled)), room)
  return tf.clipByValue(tf.add(centres, tf.mul(signs(scaled), moved)), 0, 1)
}

/** The q with Σ_j min(q v2_j, r2_j) = target, or `limit` if that is smaller: [n, 1]. */
function newtonFromTheLeft(
  v2: tf.Tensor2D,
  r2: tf.Tensor2D,
  target: number,
  limit: tf.Tensor2D,
): tf.Tensor2D {
  const total: tf.Tensor2D = tf.sum(v2, 1, true)
  let q: tf.Tensor2D = tf.minimum(tf.div(target, tf.maximum(total, 1e-30)), limit)
  for (let piece = 0; piece < MOST_PIECES; piece++) {
    const next = tf.tidy(() => {
      const free = tf.step(tf.sub(r2, tf.mul(q, v2)))
      const clipped = tf.sum(tf.mul(tf.sub(1, free), r2), 1, true)
      const slope = tf.sum(tf.mul(free, v2), 1, true)
      const root = tf.div(tf.maximum(tf.sub(target, clipped), 0), tf.maximum(slope, 1e-30))
      const beyond = tf.where(tf.equal(slope, 0), tf.fill(slope.shape, FAR), root)
      return tf.minimum(tf.maximum(q, beyond), limit) as tf.Tensor2D
    })
    const moving = tf.tidy(() => tf.any(tf.greater(next, q)).dataSync()[0] === 1)
    q.dispose()
    q = next
    if (!moving) break
  }
  return q
}
