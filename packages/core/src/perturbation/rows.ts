import * as tf from '@tensorflow/tfjs-core'
import { filledTensor, floatsOf, tensorsAreArrays } from '../tensors/arrays.js'
import { fusedKernels } from '../tensors/fused.js'
import { inFours, loopsOver, withSimdArrays } from '../tensors/simd/arrays.js'
import { exceeds } from './row-loops.js'

/**
 * Row-wise algebra on [n, d]: one example a row, so that no row's result depends on another's. Reductions keep
 * their axis and return [n, 1]. Call inside `tf.tidy`. Where tensors are arrays, row-loops.ts takes their place in
 * the steps of an attack.
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
export const RESIDUE = 1e-6

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
  if (tensorsAreArrays()) return pickArrayRows(condition, a, b)
  const fused = fusedKernels()
  if (fused !== null) return fused.pickRows(condition, a, b)
  const spread = tf.add(tf.cast(condition, 'float32'), tf.zerosLike(a))
  return tf.where(tf.greater(spread, 0), a, b)
}

/** `pickRows` by copies of rows, and of none where all are of one tensor. */
function pickArrayRows(condition: tf.Tensor, a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  const holds = condition.dataSync()
  if (!holds.includes(0)) return tf.clone(a)
  if (!holds.includes(1)) return tf.clone(b)
  const [d, ofA, ofB] = [a.shape[1], floatsOf(a), floatsOf(b)]
  return filledTensor<tf.Rank.R2>(a.shape, out => {
    for (let i = 0; i < holds.length; i++) {
      const from = holds[i] === 1 ? ofA : ofB
      out.set(from.subarray(i * d, (i + 1) * d), i * d)
    }
  })
}

/** α a + β b + γ c in float32: [n, d], on arrays in one sweep. */
export function combination(
  weights: readonly [number, number, number],
  [a, b, c]: readonly [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D],
): tf.Tensor2D {
  const [alpha, beta, gamma] = weights
  if (!tensorsAreArrays())
    return tf.tidy(() => tf.add(tf.add(tf.mul(alpha, a), tf.mul(beta, b)), tf.mul(gamma, c)))
  const from = [floatsOf(a), floatsOf(b), floatsOf(c)]
  return filledTensor<tf.Rank.R2>(a.shape, out => {
    const { length } = out
    withSimdArrays([length, length, length], (x, y, z) => {
      ;[x, y, z].forEach((array, k) => {
        array.set(from[k]!)
      })
      const loops = loopsOver(x, y, z)
      const whole = loops === null ? 0 : inFours(length)
      const places = [x, y, z, x].map(array => array.byteOffset)
      loops?.combine(...places, 4 * whole, alpha, beta, gamma)
      for (let i = whole; i < length; i++)
        x[i] = term(term(0, alpha, x[i]!) + term(0, beta, y[i]!), gamma, z[i]!)
      out.set(x)
    })
  })
}

/** sum + weight · x, both rounded to float32. */
function term(sum: number, weight: number, x: number): number {
  return Math.fround(Math.fround(sum) + Math.fround(Math.fround(weight) * x))
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

/**
 * Row i of x where max_j |x_ij| > least_i, else 0: [n, d] for `least` [n, 1]. A row with NaN keeps its NaN. Where all
 * rows are kept and tensors are arrays, nothing is copied.
 */
export function rowsAbove(x: tf.Tensor2D, least: tf.Tensor2D): tf.Tensor2D {
  if (!tensorsAreArrays())
    return (
      fusedKernels()?.rowsAbove(x, least) ??
      tf.mul(tf.cast(tf.greater(rowMax(x), least), 'float32'), x)
    )
  const [d, from] = [x.shape[1], floatsOf(x)]
  const kept = Array.from(floatsOf(least), (size, i) => exceeds(from, size, i * d, (i + 1) * d))
  if (!kept.includes(false)) return tf.clone(x)
  return filledTensor<tf.Rank.R2>(x.shape, out => {
    kept.forEach((isKept, i) => {
      const factor = isKept ? 1 : 0
      for (let j = i * d; j < (i + 1) * d; j++) out[j] = factor * from[j]!
    })
  })
}

/** x with zeros replaced by 1: a divisor for rows whose quotient is not used or is 0 anyway. */
export function nonZero(x: tf.Tensor2D): tf.Tensor2D {
  return tf.where(tf.equal(x, 0), tf.onesLike(x), x)
}

/** [n, 1] to [n]. */
export function flat(x: tf.Tensor2D): tf.Tensor1D {
  return tf.reshape(x, [x.shape[0]])
}
