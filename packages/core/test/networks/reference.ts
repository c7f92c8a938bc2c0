import {
  type Network,
  openStream,
  type Parameters,
  type Perceptron,
  type TrainedMatrix,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'

/** A float64 copy of a matrix, row-major. */
export interface Dense {
  readonly rows: number
  readonly cols: number
  readonly data: Float64Array
}

/** Float64 copies of the trained matrices by name. */
export type Weights = Readonly<Record<string, Dense>>

export function weightsOf(parameters: Parameters): Weights {
  return Object.fromEntries(parameters.trained.map(m => [m.name, dense(m.weights)]))
}

export function dense(m: { rows: number; cols: number; data: ArrayLike<number> }): Dense {
  return { rows: m.rows, cols: m.cols, data: Float64Array.from(m.data) }
}

/** f(W, x) in float64, written from the formulas of the paper: independent of how the package arranges branches. */
export function reference(
  network: Network,
  parameters: Parameters,
  weights: Weights,
  x: Float64Array,
): number[] {
  const { family, init, depth, width } = network.spec
  const a = dense(parameters.frozen.output!)
  const { value } = network.activation.scalar
  const read = (hidden: Float64Array) => timesTransposed(a, hidden)
  const input = parameters.frozen.input
  const first = input === undefined ? x : times(dense(input), x)
  const deep = (w: (h: number) => Dense) => {
    let hidden = first
    for (let h = 1; h <= depth; h++) hidden = times(w(h), hidden).map(value)
    return read(hidden)
  }
  if (family === 'two-layer') {
    const plus = times(weights['layers.1+']!, x).map(value)
    const minus = times(weights['layers.1-']!, x).map(value)
    return read(plus.map((v, r) => v - minus[r]!)).map(v => v / Math.sqrt(width))
  }
  if (init === 'mirrored') {
    const f1 = deep(h => weights[`layers.${h}+`]!)
    const f2 = deep(h => weights[`layers.${h}-`]!)
    return f1.map((v, k) => (v - f2[k]!) / Math.SQRT2)
  }
  const f = deep(h => weights[`layers.${h}`]!)
  if (init === 'paper') return f
  const start = Object.fromEntries(parameters.trained.map(m => [m.name, dense(m.initial)]))
  const f0 = deep(h => start[`layers.${h}`]!)
  return f.map((v, k) => v - f0[k]!)
}

/** The same as TensorFlow.js operations, for `tf.grads`: f [n, outputs] of (weights in the order of `trained`, x). */
export function tensorReference(
  network: Network,
  parameters: Parameters,
): (weights: readonly tf.Tensor[], x: tf.Tensor) => tf.Tensor {
  const { family, init, depth, width } = network.spec
  const constant = (m: { rows: number; cols: number; data: Float32Array }) =>
    tf.tensor2d(Float32Array.from(m.data), [m.rows, m.cols])
  const { output, input } = parameters.frozen
  const index = (name: string) => parameters.trained.findIndex(m => m.name === name)
  const deep = (x: tf.Tensor, w: (h: number) => tf.Tensor) => {
    let hidden = input === undefined ? x : tf.matMul(x, constant(input), false, true)
    for (let h = 1; h <= depth; h++)
      hidden = network.activation.value(tf.matMul(hidden, w(h), false, true))
    return tf.matMul(hidden, constant(output!))
  }
  return (weights, x) => {
    const copy = (suffix: string) => deep(x, h => weights[index(`layers.${h}${suffix}`)]!)
    if (family === 'two-layer') return tf.div(tf.sub(copy('+'), copy('-')), Math.sqrt(width))
    if (init === 'mirrored') return tf.div(tf.sub(copy('+'), copy('-')), Math.SQRT2)
    if (init === 'paper') return copy('')
    const start = deep(x, h => constant(parameters.trained[index(`layers.${h}`)]!.initial))
    return tf.sub(copy(''), start)
  }
}

/** f of an exported perceptron, float64. */
export function perceptronAt(
  { layers }: Perceptron,
  sigma: (z: number) => number,
  x: Float64Array,
) {
  let hidden = x
  for (const layer of layers.slice(0, -1)) hidden = times(dense(layer), hidden).map(sigma)
  return [...times(dense(layers.at(-1)!), hidden)]
}

/** W x */
function times({ rows, cols, data }: Dense, x: Float64Array): Float64Array {
  const out = new Float64Array(rows)
  for (let r = 0; r < rows; r++)
    for (let j = 0; j < cols; j++) out[r] = out[r]! + data[r * cols + j]! * x[j]!
  return out
}

function timesTransposed({ rows, cols, data }: Dense, x: Float64Array): number[] {
  const out = new Array<number>(cols).fill(0)
  for (let r = 0; r < rows; r++)
    for (let k = 0; k < cols; k++) out[k] = out[k]! + data[r * cols + k]! * x[r]!
  return out
}

/** Standard normals times `scale`, float32 values. */
export function normals(count: number, seed: number, scale = 1): Float32Array {
  const out = new Float32Array(count)
  openStream({ seed, purpose: 'test' }).fillNormal(out, scale)
  return out
}

/** Moves every trained matrix away from its start by independent normals times `scale`: W = W_0 + D. */
export function perturb(parameters: Parameters, seed: number, scale: number): void {
  parameters.trained.forEach((matrix, i) => {
    matrix.displacement.data.set(normals(matrix.displacement.data.length, seed + i, scale))
    recompute(matrix)
  })
}

function recompute({ weights, initial, displacement }: TrainedMatrix): void {
  for (let i = 0; i < weights.data.length; i++)
    weights.data[i] = initial.data[i]! + displacement.data[i]!
}

/** `tf.tidy` for functions that return plain arrays: tidy itself would search every entry of them for tensors. */
export function scoped<T>(compute: () => T): T {
  tf.engine().startScope()
  try {
    return compute()
  } finally {
    tf.engine().endScope()
  }
}
