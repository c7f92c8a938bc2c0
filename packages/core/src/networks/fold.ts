import { SaddleError } from '../errors.js'
import { chiSquare } from '../random/gamma.js'
import { openStream } from '../random/stream.js'
import { allocateMatrix, type Matrix } from '../tensors/matrix.js'
import { roundedProduct } from '../tensors/product.js'
import { gaussianMatrix, trainedMatrix } from './gaussian.js'
import type { Parameters } from './network.js'

/**
 * The first layer of equation (1), folded. With A = Q F, the columns of Q (m × r) orthonormal, F: r × d, r = min(m, d):
 *
 *   W⁽¹⁾ A = U F,   U = W⁽¹⁾ Q,   W⁽¹⁾ − W⁽¹⁾_0 = (U − U_0) Qᵀ
 *
 * because every gradient in W⁽¹⁾ is a multiple of Aᵀ: Σ p (A x)ᵀ = Σ p (F x)ᵀ Qᵀ. So a network with the trained matrix
 * U and the frozen input map F computes and learns what the one with W⁽¹⁾ and A does, in r columns instead of m, and
 * distances are the same: ‖W⁽¹⁾ − W⁽¹⁾_0‖_F = ‖U − U_0‖_F.
 *
 * In law U_0 has independent N(0, 2/m) entries, whatever A is, since W⁽¹⁾_0 has. For m < d, Q = 1: U is W⁽¹⁾, F is A.
 */

/**
 * The input map [min(m, d), d] of a folded network, in law F of an A of N(0, 2/m) entries: upper triangular for m ≥ d,
 *
 *   F_ii² ~ 2/m χ²(m − i) for i = 0..d−1,   F_ij ~ N(0, 2/m) for j > i          (Bartlett 1933)
 *
 * and A itself, the numbers of the dense form, for m < d. O(min(m, d) d) time.
 */
export function drawInputMap(width: number, inputs: number, seed: number): Matrix {
  const deviation = Math.sqrt(2 / width)
  if (width < inputs) return gaussianMatrix(width, inputs, deviation, seed, 'weights.input')
  const f = allocateMatrix(inputs, inputs)
  for (let i = 0; i < inputs; i++) {
    const stream = openStream({ seed, purpose: 'weights.input.factor', example: i })
    f.data[i * inputs + i] = deviation * Math.sqrt(chiSquare(stream, width - i))
    stream.fillNormal(f.data.subarray(i * inputs + i + 1, (i + 1) * inputs), deviation)
  }
  return { ...f, upper: true }
}

/**
 * The parameters of a `first: 'folded'` network that computes what a `first: 'dense'` one does at its start: from the
 * explicit A (`frozen.input`) and W⁽¹⁾_0 (`initial`). The other matrices are shared, with displacements of their own.
 * O(m² d) time: a reference, and a way to bring one's own A and W⁽¹⁾_0. In float64, rounded once.
 *
 * @throws SaddleError RANGE if there is no A, its columns depend on each other, or the dense parameters have been
 *   trained: fold first, then train.
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
  const split = input.rows < input.cols ? null : orthonormalFactors(input)
  const folded = ({ name, initial }: Parameters['trained'][number]) =>
    split !== null && /^layers\.1[+-]?$/.test(name) ? roundedProduct(initial, split.q) : initial
  return {
    trained: dense.trained.map(matrix => trainedMatrix(matrix.name, folded(matrix))),
    frozen: { ...frozen, input: split?.f ?? input },
  }
}

interface OrthonormalFactors {
  /** Q: [m, d], float64. */
  readonly q: { readonly rows: number; readonly cols: number; readonly data: Float64Array }
  /** F: [d, d], upper triangular with a positive diagonal, rounded. */
  readonly f: Matrix
}

/** A column this much shorter once the columns before it are taken out is made of rounding. */
const DEPENDENT = 1e-12

/**
 * A = Q F for m ≥ d by Gram–Schmidt in float64, columns in order: F_kj = ⟨q_k, a_j⟩, a_j ← a_j − F_kj q_k for k < j, then
 * q_j = a_j/F_jj. Each column goes through it twice, which leaves Q orthonormal to rounding. 4·m·d² flops.
 */
function orthonormalFactors(a: Matrix): OrthonormalFactors {
  const { rows: m, cols: d } = a
  const columns = Array.from({ length: d }, (_, j) =>
    Float64Array.from({ length: m }, (_, i) => a.data[i * d + j]!),
  )
  const f = allocateMatrix(d, d)
  for (const [j, column] of columns.entries()) {
    const before = Math.sqrt(dot(column, column))
    const taken = new Float64Array(j)
    for (let pass = 0; pass < 2; pass++)
      for (let k = 0; k < j; k++) taken[k]! += takeOut(column, columns[k]!)
    const length = Math.sqrt(dot(column, column))
    if (!(length > DEPENDENT * before)) throw dependent(j)
    for (let i = 0; i < m; i++) column[i]! /= length
    taken.forEach((share, k) => {
      f.data[k * d + j] = share
    })
    f.data[j * d + j] = length
  }
  const data = new Float64Array(m * d)
  for (let i = 0; i < m; i++) for (let j = 0; j < d; j++) data[i * d + j] = columns[j]![i]!
  return { q: { rows: m, cols: d, data }, f: { ...f, upper: true } }
}

/** column ← column − ⟨unit, column⟩ unit; returns ⟨unit, column⟩. */
function takeOut(column: Float64Array, unit: Float64Array): number {
  const share = dot(unit, column)
  for (let i = 0; i < column.length; i++) column[i]! -= share * unit[i]!
  return share
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!
  return sum
}

function dependent(column: number): SaddleError {
  return new SaddleError(
    'RANGE',
    `Folding needs an A of full rank, but its column ${column} is a combination of those before it. Leave out that input, or train with \`first: dense\`.`,
    { column },
  )
}
