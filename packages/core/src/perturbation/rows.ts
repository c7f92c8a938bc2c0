import * as tf from '@tensorflow/tfjs-core'

/**
 * Row-wise algebra on [n, d]: one example a row, so that no row's result depends on another's. Reductions keep
 * their axis and return [n, 1]. Call inside `tf.tidy`.
 */

/** ⟨a_i, b_i⟩: [n, 1]. */
export function rowDot(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return tf.sum(tf.mul(a, b), 1, true)
}

/** max_j |x_ij|: [n, 1]. */
export function rowMax(x: tf.Tensor2D): tf.Tensor2D {
  return tf.max(tf.abs(x), 1, true)
}

/** ‖x_i‖₂: [n, 1]. Scaled by the largest entry first: squares of float32 vanish below 1e-23, gradients don't. */
export function rowNorm(x: tf.Tensor2D): tf.Tensor2D {
  const { scale, scaled } = scaledRows(x)
  return tf.mul(scale, tf.sqrt(rowDot(scaled, scaled)))
}

/** x_i/‖x_i‖₂, and 0 for a zero row: [n, d]. */
export function unitRows(x: tf.Tensor2D): tf.Tensor2D {
  return polarRows(x).unit
}

/** ‖x_i‖₂ and x_i/‖x_i‖₂ at the cost of one of them: the bits of `rowNorm` and `unitRows`. */
export function polarRows(x: tf.Tensor2D): { norm: tf.Tensor2D; unit: tf.Tensor2D } {
  const { scale, scaled } = scaledRows(x)
  const length: tf.Tensor2D = tf.sqrt(rowDot(scaled, scaled))
  return { norm: tf.mul(scale, length), unit: tf.div(scaled, nonZero(length)) }
}

/** x_i = scale_i · scaled_i with largest entry 1; a zero row has scale 0 and stays 0. */
export function scaledRows(x: tf.Tensor2D): { scale: tf.Tensor2D; scaled: tf.Tensor2D } {
  const scale = rowMax(x)
  return { scale, scaled: tf.div(x, nonZero(scale)) }
}

/** The part of x_i orthogonal to the unit vector u_i, orthogonalised twice: once loses the digits of a small part. */
export function tangential(unit: tf.Tensor2D, x: tf.Tensor2D): tf.Tensor2D {
  const once: tf.Tensor2D = tf.sub(x, tf.mul(rowDot(x, unit), unit))
  return tf.sub(once, tf.mul(rowDot(once, unit), unit))
}

/**
 * A tangential part below this share of the whole vector is the rounding of the projection, not a direction:
 * float32 leaves about 1e-7 of a vector that has no tangential part at all.
 */
const RESIDUE = 1e-6

/** Like `tangential`, at `points` of any norm, with entries that are only rounding set to 0. */
export function tangentialGradient(points: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D {
  const { scaled } = scaledRows(gradient)
  const part = tangential(unitRows(points), scaled)
  const real = tf.step(tf.sub(tf.abs(part), RESIDUE))
  return tf.mul(real, part)
}

/** −1, 0 or 1, elementwise, by comparison: the `sign` of the wasm backend calls entries below about 1e-7 zero. */
export function signs(x: tf.Tensor2D): tf.Tensor2D {
  return tf.sub(tf.step(x), tf.step(tf.neg(x)))
}

/**
 * Row i of `a` where `condition` [n, 1] holds, else of `b`, bit for bit, whatever the other holds: [n, d]. The
 * condition is spread by an addition: left to `tf.where` itself, wasm tiles it and takes four times as long (6 ms
 * against 1.4 for n = 128, d = 784).
 */
export function pickRows(condition: tf.Tensor, a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  const spread = tf.add(tf.cast(condition, 'float32'), tf.zerosLike(a))
  return tf.where(tf.greater(spread, 0), a, b)
}

/**
 * `pickRows` for a condition that hardly ever holds: n flags are read back, and `rare` is only computed if one of
 * them is set.
 */
export function pickRareRows(
  condition: tf.Tensor,
  rare: () => tf.Tensor2D,
  usual: tf.Tensor2D,
): tf.Tensor2D {
  return condition.dataSync().includes(1) ? pickRows(condition, rare(), usual) : usual
}

/** x with zeros replaced by 1: a divisor for rows whose quotient is not used or is 0 anyway. */
export function nonZero(x: tf.Tensor2D): tf.Tensor2D {
  return tf.where(tf.equal(x, 0), tf.onesLike(x), x)
}

/** [n, 1] to [n]. */
export function flat(x: tf.Tensor2D): tf.Tensor1D {
  return tf.reshape(x, [x.shape[0]])
}
