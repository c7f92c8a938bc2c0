import { inFours, loopsOver, withSimdArrays } from '../tensors/simd/arrays.js'
import type { RowGeometry } from './row-geometry.js'

/**
 * The l∞ ball on rows of arrays, with the box [0, 1]^d or without: a box itself, from lo to hi,
 *
 *   lo = max(x_0 − δ, low),  hi = min(x_0 + δ, high)          [low, high] = [0, 1], or [−∞, ∞]
 *   project   min(max(x, lo), hi)
 *   advance   min(max(x + η sign(g), lo), hi)
 *   maximise  the same from x_0 with η = δ
 *
 * A batch is done by the loops of module.ts, and what they leave of it (three numbers at most) by those below, which
 * round as they do: the place of a number in a batch must not decide its bits. NaN comes out where x or g is not finite.
 */
export function linfRows(radius: number, inBox: boolean): RowGeometry {
  const r = Math.fround(radius)
  const [low, high] = inBox ? [0, 1] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  /** x clipped around the centre c. */
  const clip = (c: number, x: number) => {
    const [lo, hi] = [Math.max(Math.fround(c - r), low), Math.min(Math.fround(c + r), high)]
    return Math.min(Math.max(x, lo), hi)
  }
  const rows: Required<Omit<RowGeometry, 'batches'>> = {
    project(centres, points, out, start, stop) {
      for (let i = start; i < stop; i++)
        out[i] = clip(centres[i]!, points[i]! + (points[i]! - points[i]!))
    },
    ascend(points, gradient, step, out, start, stop) {
      const eta = Math.fround(step)
      for (let i = start; i < stop; i++)
        out[i] = Math.fround(points[i]! + eta * signOf(gradient[i]!))
    },
    advance(centres, points, gradient, step, out, start, stop) {
      const eta = Math.fround(step)
      for (let i = start; i < stop; i++)
        out[i] = clip(centres[i]!, Math.fround(points[i]! + eta * signOf(gradient[i]!)))
    },
    maximise: (centres, gradient, out, start, stop) =>
      rows.advance(centres, centres, gradient, radius, out, start, stop),
    distance: farthest,
  }
  return {
    ...rows,
    batches: {
      project(centres, points, out) {
        const { length } = out
        return withSimdArrays([length, length], (c, x) => {
          const loops = loopsOver(c, x)
          if (loops === null) return false
          c.set(centres)
          x.set(points)
          const whole = inFours(length)
          loops.clip(c.byteOffset, x.byteOffset, x.byteOffset, 4 * whole, r, low, high)
          rows.project(c, x, x, whole, length)
          out.set(x)
          return true
        })
      },
      advance(centres, points, gradient, step, out) {
        const { length } = out
        return withSimdArrays([length, length, length], (c, x, g) => {
          const loops = loopsOver(c, x, g)
          if (loops === null) return false
          c.set(centres)
          x.set(points)
          g.set(gradient)
          const pieces = typeof step === 'number' ? [step] : step
          const size = length / pieces.length
          pieces.forEach((eta, i) => {
            const [at, whole] = [i * size, inFours(size)]
            const places = [c, x, g, x].map(({ byteOffset }) => byteOffset + 4 * at)
            loops.advance(...places, 4 * whole, eta, r, low, high)
            rows.advance(c, x, g, eta, x, at + whole, at + size)
          })
          out.set(x)
          return true
        })
      },
    },
  }
}

/** max_j |x_j − c_j|, rounded as in float32; NaN if one of them is. */
function farthest(c: Float32Array, x: Float32Array, start: number, stop: number): number {
  let far = 0
  for (let i = start; i < stop; i++) far = Math.max(far, Math.abs(x[i]! - c[i]!))
  return Math.fround(far)
}

/** Nothing beside any float32 but 0, and a normal number: the processor is slow at subnormal ones. */
const LEAST = 1e-300

/** −1, 0 or 1 of a finite float32, NaN of others: g/|g| is exact. */
function signOf(g: number): number {
  return g / (Math.abs(g) + LEAST)
}
