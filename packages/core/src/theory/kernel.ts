import type { Activation } from '../activations/activation.js'
import { SaddleError } from '../errors.js'
import { type PointPair, pointPair, unitPair } from './angle.js'
import { hermiteSeries } from './hermite.js'

/** A kernel on points of R^d, in float64: a limit m → ∞ of gradient inner products. */
export interface Kernel {
  readonly name: string
  /** K(x, y). x, y: [d]. */
  evaluate(x: ArrayLike<number>, y: ArrayLike<number>): number
  /** K at two unit points with the given angle, 0…π. */
  atAngle(angle: number): number
}

/**
 * The neural tangent kernel of equation (4) (Definition 5.1):
 *
 *   K(x, y) = ⟨x, y⟩ · E σ'(⟨w, x⟩) σ'(⟨w, y⟩),   w ~ N(0, I)
 *
 * In closed form for relu, gs, gelu, erf, sincos and quadratic-relu, for points of any length; for any other smooth
 * activation as a Hermite series, for unit points only (one quadrature when made, O(d) + 80 terms a value).
 *
 * @throws SaddleError RANGE from `evaluate` where a series meets points off the unit sphere.
 */
export function twoLayerKernel(activation: Activation): Kernel {
  const [family = '', parameter] = activation.name.split(':')
  const closed = closedForms[family]
  const mean = closed?.(Number(parameter)) ?? seriesMean(activation)
  const value = (pair: PointPair) => pair.xy * mean(pair)
  return {
    name: `two-layer ${activation.name}`,
    evaluate: (x, y) => value(pointPair(x, y)),
    atAngle: angle => value(unitPair(angle)),
  }
}

/**
 * The kernel of equation (1) with H trained layers, A linear and frozen, divided by m:
 *
 *   K_H(x, y) = ‖x‖ ‖y‖ Σ_{h=1..H} ρ_{h−1} Π_{l=h..H} k0(ρ_{l−1}),   ρ_0 = cos θ,  ρ_h = k1(ρ_{h−1})
 *
 * K_H(x, x) = H ‖x‖². Relu only, as in the paper.
 *
 * @param depth H ≥ 1.
 */
export function deepKernel(depth: number): Kernel {
  if (!(Number.isInteger(depth) && depth >= 1))
    throw new SaddleError('RANGE', `Deep kernel: expected a whole depth H ≥ 1, got ${depth}.`, {
      depth,
    })
  const atAngle = (angle: number) => {
    let theta = angle
    let sum = 0
    for (let h = 1; h <= depth; h++) {
      // Σ_{h' ≤ h} ρ_{h'−1} Π_{l=h'..h} k0(ρ_{l−1}): the earlier layers' terms gain the factor of layer h.
      sum = (sum + Math.cos(theta)) * arcCosine0(theta)
      theta = nextAngle(theta)
    }
    return sum
  }
  return {
    name: `deep relu, depth ${depth}`,
    evaluate: (x, y) => {
      const { xx, yy, angle } = pointPair(x, y)
      return Math.sqrt(xx * yy) * atAngle(angle)
    },
    atAngle,
  }
}

/** The Gram matrix K(x_i, x_j) of points [n, d], row-major: [n, n]. n²/2 values. */
export function kernelMatrix(
  kernel: Kernel,
  points: ArrayLike<number>,
  dimension: number,
): Float64Array {
  const rows = pointRows(points, dimension)
  const n = rows.length
  const gram = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      const value = kernel.evaluate(rows[i]!, rows[j]!)
      gram[i * n + j] = value
      gram[j * n + i] = value
    }
  return gram
}

/** The rows of points [n, d], row-major, as float64 copies. */
export function pointRows(points: ArrayLike<number>, dimension: number): Float64Array[] {
  if (dimension < 1 || points.length % dimension !== 0)
    throw new SaddleError(
      'SHAPE',
      `Points of dimension ${dimension}: expected a multiple of ${dimension} numbers, got ${points.length}.`,
      { dimension, length: points.length },
    )
  const all = Float64Array.from(points)
  return Array.from({ length: all.length / dimension }, (_, i) =>
    all.slice(i * dimension, (i + 1) * dimension),
  )
}

/** E σ'(⟨w, x⟩) σ'(⟨w, y⟩) from the second moments of (⟨w, x⟩, ⟨w, y⟩). */
type DerivativeMean = (pair: PointPair) => number

/** By name of the activation's family; the argument is the number after the colon, NaN without one. */
const closedForms: Readonly<Record<string, (parameter: number) => DerivativeMean>> = {
  // P(both positive) = k0(cos θ)/2
  relu: () => pair => arcCosine0(pair.angle) / 2,
  // σ' = Φ(z/t): P(g < z_x/t, g' < z_y/t) = 1/4 + asin(⟨x,y⟩ / √((t²+‖x‖²)(t²+‖y‖²))) / 2π
  gs: t => pair => {
    const { xx, yy, xy } = pair
    return 0.25 + Math.asin(xy / Math.sqrt((t * t + xx) * (t * t + yy))) / (2 * Math.PI)
  },
  // σ' = Φ + z φ: the four expectations, with q = det(I + covariance)
  gelu: () => pair => {
    const { xx, yy, xy } = pair
    const p = (1 + xx) * (1 + yy)
    const q = p - xy * xy
    const both = Math.asin(xy / Math.sqrt(p))
    const mixed = (xy / Math.sqrt(q)) * (1 / (1 + xx) + 1 / (1 + yy))
    return 0.25 + (both + mixed + xy / q ** 1.5) / (2 * Math.PI)
  },
  // σ' = (2/√π) exp(−z²): (4/π) det(I + 2·covariance)^(−1/2)
  erf: () => pair => {
    const { xx, yy, xy } = pair
    return 4 / Math.PI / Math.sqrt((1 + 2 * xx) * (1 + 2 * yy) - 4 * xy * xy)
  },
  // σ' = cos z − sin z: E cos(z_x − z_y) − E sin(z_x + z_y) = exp(−‖x − y‖²/2)
  sincos: () => pair => Math.exp(pair.xy - (pair.xx + pair.yy) / 2),
  // σ' = max(z, 0): ‖x‖‖y‖ k1(cos θ)/2
  'quadratic-relu': () => pair => (Math.sqrt(pair.xx * pair.yy) * arcCosine1(pair.angle)) / 2,
}

/** k0 = 1 − θ/π: the arc-cosine kernel of degree 0. */
function arcCosine0(angle: number): number {
  return 1 - angle / Math.PI
}

/** k1 = (sin θ + (π − θ) cos θ)/π: the arc-cosine kernel of degree 1. */
function arcCosine1(angle: number): number {
  return (Math.sin(angle) + (Math.PI - angle) * Math.cos(angle)) / Math.PI
}

/** θ' with cos θ' = k1(cos θ), through 1 − k1 = 2 sin²(θ'/2), which keeps the digits of a small angle. */
function nextAngle(angle: number): number {
  const oneMinusCosine = 2 * Math.sin(angle / 2) ** 2
  const oneMinusK1 = oneMinusCosine - (Math.sin(angle) - angle * Math.cos(angle)) / Math.PI
  return 2 * Math.asin(Math.min(1, Math.sqrt(Math.max(0, oneMinusK1) / 2)))
}

/** The farthest ‖x‖² may be from 1 for a point to count as one of the unit sphere: float32 rounding and some. */
const UNIT_TOLERANCE = 1e-5

function seriesMean(activation: Activation): DerivativeMean {
  const series = hermiteSeries(activation)
  return ({ xx, yy, xy, angle }) => {
    if (Math.abs(xx - 1) > UNIT_TOLERANCE || Math.abs(yy - 1) > UNIT_TOLERANCE)
      throw new SaddleError(
        'RANGE',
        `The kernel of ${activation.name} is known on the unit sphere only: expected ‖x‖ = ‖y‖ = 1, got ${Math.sqrt(xx)} and ${Math.sqrt(yy)}. Normalise the points, or use relu, gs, gelu, erf or sincos.`,
        { activation: activation.name, xx, yy, xy },
      )
    return series(Math.cos(angle))
  }
}
