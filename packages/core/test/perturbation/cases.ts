import {
  openStream,
  type PerturbationSet,
  perturbationSetFrom,
  type SetSpec,
  scoped,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'

/** Backends whose tensors are arrays, so that sets compute by loops over rows: cpu, and blas if it loads. */
export async function arrayBackends(): Promise<string[]> {
  return useBackend('blas').then(
    () => ['cpu', 'blas'],
    () => ['cpu'],
  )
}

/** Both routes to every property: formulas on tensors, on wasm, and loops over arrays, on the faster of those. */
export async function routes(): Promise<string[]> {
  return ['wasm', (await arrayBackends()).at(-1)!]
}

/** The ten sets with what a test knows of them independently of their code. */
export interface SetCase {
  readonly kind: SetSpec['kind']
  readonly convex: boolean
  readonly norm: 'l1' | 'l2' | 'linf'
  /** Where centres are: anywhere, in [0, 1]^d, on the sphere, in the chart (norm ≤ 0.87). */
  readonly domain: 'space' | 'box' | 'sphere' | 'chart'
}

export const setCases: readonly SetCase[] = [
  { kind: 'l1', convex: true, norm: 'l1', domain: 'space' },
  { kind: 'l2', convex: true, norm: 'l2', domain: 'space' },
  { kind: 'linf', convex: true, norm: 'linf', domain: 'space' },
  { kind: 'box-l1', convex: true, norm: 'l1', domain: 'box' },
  { kind: 'box-l2', convex: true, norm: 'l2', domain: 'box' },
  { kind: 'box-linf', convex: true, norm: 'linf', domain: 'box' },
  { kind: 'cap', convex: false, norm: 'l2', domain: 'sphere' },
  { kind: 'box-sphere', convex: false, norm: 'linf', domain: 'sphere' },
  { kind: 'lift-l2', convex: true, norm: 'l2', domain: 'chart' },
  { kind: 'lift-linf', convex: true, norm: 'linf', domain: 'chart' },
]

/** ρ of the lifted sets. */
const GUARD = Math.sqrt(1 - 0.1 ** 2)

/** Membership straight from the definitions, float64; the slack is absolute. */
export function member(c: SetCase, x0: Float64Array, x: Float64Array, radius: number, slack = 0) {
  const offset = x.map((v, j) => v - x0[j]!)
  const far = lengthOf(c, offset)
  if (!(far <= radius + slack)) return false
  if (c.domain === 'box') return x.every(v => v >= -slack && v <= 1 + slack)
  if (c.domain === 'sphere') return Math.abs(norm2(x) - 1) <= slack
  if (c.domain === 'chart') return norm2(x) <= GUARD + slack
  return true
}

/** The set's norm of an offset. */
export function lengthOf({ norm }: SetCase, offset: Float64Array): number {
  if (norm === 'l2') return norm2(offset)
  const sizes = offset.map(Math.abs)
  return norm === 'l1' ? sizes.reduce((a, v) => a + v, 0) : Math.max(...sizes)
}

export const norm2 = (x: Float64Array) => Math.sqrt(dot(x, x))

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!
  return sum
}

export interface Batch {
  readonly set: PerturbationSet
  readonly radius: number
  readonly d: number
  readonly n: number
  readonly centres: Float32Array
  /** Anything from near the centre to 100 radii away; row 0 is the centre. */
  readonly points: Float32Array
  /** Entries of scales 1e-20 to 1e20, some of them 0; row 0 is 0. */
  readonly gradients: Float32Array
}

/** 100 random rows for each of ten (dimension, radius): 1000 cases a set. */
export function batches(c: SetCase, n = 100): Batch[] {
  const shapes: [number, number][] = []
  for (const d of [2, 3, 7, 20, 80]) for (const radius of [0.04, 0.6]) shapes.push([d, radius])
  return shapes.map(([d, radius], at) => randomBatch(c, d, radius, n, at))
}

export function randomBatch(c: SetCase, d: number, radius: number, n: number, seed: number): Batch {
  const stream = openStream({ seed, purpose: `test.${c.kind}` })
  const centres = new Float32Array(n * d)
  const points = new Float32Array(n * d)
  const gradients = new Float32Array(n * d)
  for (let i = 0; i < n; i++) {
    const centre = centreOf(
      c,
      d,
      () => stream.normal(),
      () => stream.uniform(),
    )
    const reach = radius * 100 ** (stream.uniform() - 0.5) * (i % 5 === 0 ? 10 : 1)
    const scale = 10 ** (40 * stream.uniform() - 20)
    for (let j = 0; j < d; j++) {
      const still = i === 0 || stream.uniform() < 0.1
      centres[i * d + j] = centre[j]!
      points[i * d + j] = still
        ? centres[i * d + j]!
        : centre[j]! + (reach * stream.normal()) / Math.sqrt(d)
      gradients[i * d + j] = still ? 0 : scale * stream.normal()
    }
  }
  return {
    set: perturbationSetFrom({ kind: c.kind, radius }),
    radius,
    d,
    n,
    centres,
    points,
    gradients,
  }
}

function centreOf(
  c: SetCase,
  d: number,
  normal: () => number,
  uniform: () => number,
): Float64Array {
  // Pixels are often exactly 0 or 1, where the box binds at once.
  if (c.domain === 'box')
    return Float64Array.from({ length: d }, () => Math.min(1, Math.max(0, 1.6 * uniform() - 0.3)))
  const x = Float64Array.from({ length: d }, normal)
  if (c.domain === 'space') return x
  const length = c.domain === 'sphere' ? 1 : 0.87 * uniform()
  const norm = norm2(x)
  return x.map(v => (v * length) / norm)
}

export function row(flat: ArrayLike<number>, i: number, d: number): Float64Array {
  return Float64Array.from({ length: d }, (_, j) => flat[i * d + j]!)
}

/** Runs a method of the set on rows and reads the result. */
export function apply(
  batch: Batch,
  rows: Float32Array,
  f: (centres: tf.Tensor2D, rows: tf.Tensor2D) => tf.Tensor,
): Float32Array {
  const shape: [number, number] = [batch.n, batch.d]
  return scoped(
    () => f(tf.tensor2d(batch.centres, shape), tf.tensor2d(rows, shape)).dataSync() as Float32Array,
  )
}

export function distance(a: Float64Array, b: Float64Array): number {
  return norm2(a.map((v, j) => v - b[j]!))
}

/** x/‖x‖, and 0 for 0. */
export function unit(x: Float64Array): Float64Array {
  const norm = norm2(x)
  return norm === 0 ? x : x.map(v => v / norm)
}

/** Equal to the last bit, so that −0 differs from 0. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytes = (x: Float32Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength)
  return bytes(a).equals(bytes(b))
}

/** Is the problem of box ∩ sphere solved by scaling and clipping z: does the clipped ray leave the unit ball? */
export function rayLeavesBall(z: Float64Array, x0: Float64Array, radius: number): boolean {
  const end = z.map((v, j) => {
    const [lo, hi] = [x0[j]! - radius, x0[j]! + radius]
    if (v > 0) return hi
    return v < 0 ? lo : Math.min(Math.max(0, lo), hi)
  })
  return norm2(end) >= 1
}
