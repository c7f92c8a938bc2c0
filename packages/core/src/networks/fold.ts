import { SaddleError } from '../errors.js'
import { chiSquare } from '../random/gamma.js'
import { openStream } from '../random/stream.js'
import { allocateMatrix, type Matrix } from '../tensors/matrix.js'
import { trainedMatrix } from './gaussian.js'
import type { Parameters } from './network.js'

/**
 * The first layer of equation (1), folded: A is frozen, so W⁽¹⁾ acts only through
 *
 *   B = W⁽¹⁾ A = B_0 + Z M,   M = AᵀA,   ‖W⁽¹⁾ − W⁽¹⁾_0‖_F² = tr(Z M Zᵀ).
 */
export interface FoldedStart {
  /** B_0: [width, inputs] */
  readonly initial: Matrix
  /** M: [inputs, inputs] */
  readonly metric: Matrix
}

/** A float64 matrix F: [rows, cols], row-major; `upper` if it is upper triangular. */
interface Factor {
  readonly rows: number
  readonly cols: number
  readonly data: Float64Array
  readonly upper: boolean
}

/**
 * Draws B_0 and M in law as from A and W⁽¹⁾_0 of N(0, 2/m) entries, without W⁽¹⁾_0: given F with M = FᵀF,
 *
 *   B_0 = √(2/m) G F,   G of standard normals, a row a neuron.
 *
 * For m ≥ d, M is 2/m times a Wishart matrix and F = √(2/m) Lᵀ its Bartlett factor, so A isn't needed either; for
 * m < d, F = A. In float64, rounded once. O(m d min(m, d)) time, O(m d) memory.
 *
 * Not the same numbers as the dense form of the same seed (for m ≥ d): use `foldFrom` to compare the two.
 */
export function drawFolded(width: number, inputs: number, seed: number): FoldedStart {
  const f = width >= inputs ? bartlettFactor(width, inputs, seed) : inputFactor(width, inputs, seed)
  const initial = allocateMatrix(width, inputs)
  const g = new Float64Array(f.rows)
  for (let r = 0; r < width; r++) {
    openStream({ seed, purpose: 'weights.layers.1', example: r }).fillNormal(
      g,
      Math.sqrt(2 / width),
    )
    initial.data.set(rowTimes(g, f), r * inputs)
  }
  return { initial, metric: gram(f) }
}

/** Lᵀ of a lower triangular L with L_ii² ~ χ²(m − i) and L_ij ~ N(0, 1) for j < i, times √(2/m) (Bartlett 1933). */
function bartlettFactor(m: number, d: number, seed: number): Factor {
  const scale = Math.sqrt(2 / m)
  const data = new Float64Array(d * d)
  for (let i = 0; i < d; i++) {
    const stream = openStream({ seed, purpose: 'weights.metric', example: i })
    data[i * d + i] = scale * Math.sqrt(chiSquare(stream, m - i))
    for (let j = 0; j < i; j++) data[j * d + i] = scale * stream.normal()
  }
  return { rows: d, cols: d, data, upper: true }
}

/** A: [m, d], the numbers of the dense form. */
function inputFactor(m: number, d: number, seed: number): Factor {
  const data = new Float64Array(m * d)
  for (let r = 0; r < m; r++) {
    const row = data.subarray(r * d, (r + 1) * d)
    openStream({ seed, purpose: 'weights.input', example: r }).fillNormal(row, Math.sqrt(2 / m))
  }
  return { rows: m, cols: d, data, upper: false }
}

/** gᵀ F, float64: four rows of F at a time, which spares three of four passes over the sums. */
function rowTimes(g: Float64Array | Float32Array, f: Factor): Float64Array {
  const { rows, cols, data, upper } = f
  const out = new Float64Array(cols)
  const whole = rows - (rows % 4)
  for (let k = 0; k < whole; k += 4) {
    const [g0, g1, g2, g3] = [g[k]!, g[k + 1]!, g[k + 2]!, g[k + 3]!]
    for (let j = upper ? k : 0, p = k * cols + j; j < cols; j++, p++)
      out[j] =
        out[j]! +
        g0 * data[p]! +
        g1 * data[p + cols]! +
        g2 * data[p + 2 * cols]! +
        g3 * data[p + 3 * cols]!
  }
  for (let k = whole; k < rows; k++)
    for (let j = upper ? k : 0; j < cols; j++) out[j] = out[j]! + g[k]! * data[k * cols + j]!
  return out
}

/** FᵀF, summed in float64 and rounded once. */
function gram(f: Factor): Matrix {
  const { rows, cols, data, upper } = f
  const sums = new Float64Array(cols * cols)
  for (let k = 0; k < rows; k++)
    for (let i = upper ? k : 0; i < cols; i++) {
      const fi = data[k * cols + i]!
      for (let j = i; j < cols; j++)
        sums[i * cols + j] = sums[i * cols + j]! + fi * data[k * cols + j]!
    }
  for (let i = 0; i < cols; i++)
    for (let j = 0; j < i; j++) sums[i * cols + j] = sums[j * cols + i]!
  const metric = allocateMatrix(cols, cols)
  metric.data.set(sums)
  return metric
}

/** W A and AᵀA from explicit matrices, float64, rounded once. W: [m, m], A: [m, d]. */
export function foldMatrix(w: Matrix, a: Matrix): FoldedStart {
  const f = { rows: a.rows, cols: a.cols, data: Float64Array.from(a.data), upper: false }
  const initial = allocateMatrix(w.rows, a.cols)
  for (let r = 0; r < w.rows; r++)
    initial.data.set(rowTimes(w.data.subarray(r * w.cols, (r + 1) * w.cols), f), r * a.cols)
  return { initial, metric: gram(f) }
}

/**
 * The parameters of a `first: 'folded'` network that computes what a `first: 'dense'` one does at its start: from the
 * explicit A (`frozen.input`) and W⁽¹⁾_0 (`initial`). The other matrices are shared, with displacements of their own.
 * O(m² d) time: a reference, and a way to bring one's own A and W⁽¹⁾_0.
 *
 * @throws SaddleError RANGE if there is no A, or the dense parameters have been trained: D⁽¹⁾ alone doesn't give Z.
 */
export function foldFrom(dense: Parameters): Parameters {
  const { input, ...frozen } = dense.frozen
  if (input === undefined)
    throw new SaddleError(
      'RANGE',
      'Folding needs the parameters of a network with `first: dense`, which hold A as `frozen.input`; got none.',
    )
  const moved = dense.trained.find(({ displacement }) => displacement.data.some(v => v !== 0))
  if (moved !== undefined)
    throw new SaddleError(
      'RANGE',
      `Folding needs parameters at their start; "${moved.name}" has a displacement already. Fold first, then train.`,
      { name: moved.name },
    )
  const trained = dense.trained.map(({ name, initial }) => {
    if (!/^layers\.1[+-]?$/.test(name)) return trainedMatrix(name, initial)
    const folded = foldMatrix(initial, input)
    return trainedMatrix(name, folded.initial, folded.metric)
  })
  return { trained, frozen }
}
