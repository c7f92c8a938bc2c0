import type { ArrayAlgebra } from '../tensors/algebra.js'
import { blocksInPlace, type Matrix, type RowRange, rowsOf } from '../tensors/matrix.js'
import { mask, maskTransposed, rectify, transpose } from './bits.js'
import { ActivationPattern } from './pattern.js'

/**
 * Flips up to this share of a block are added row by row, more of them as a product: a row of W costs about 0.25 µs
 * to add, its share of a product 20 to 50 ns.
 */
const SPARSE = 1 / 16

/**
 * One branch f_b = aᵀ relu(W_H … relu(W_1 x⁽⁰⁾)) at n examples, moved from point to point. All arrays are its own, and
 * those it hands out are valid until it moves again.
 *
 *   up:     Z_h = W_h X_{h−1},   X_h = relu(Z_h)                            [rows, n]
 *   top:    u = sᵀ W_H with s = a ⊙ 1{Z_H > 0}, changed by what flips       [n, cols]
 *   down:   Q_{H−1} = uᵀ ⊙ 1{X_{H−1} > 0},   Q_h = (W_{h+1}ᵀ Q_{h+1}) ⊙ 1{X_h > 0}    Q_h = ∂f_b/∂Z_h, [rows, n]
 */
export class BranchFollower {
  readonly #algebra: ArrayAlgebra
  readonly #examples: number
  readonly #a: Float32Array
  /** W_1 … W_{H−1} */
  readonly #below: readonly Matrix[]
  /** W_H */
  readonly #top: Matrix
  readonly #blocks: readonly RowRange[]
  readonly #pattern: ActivationPattern
  /** Z_H of a block, and the change of s in it. */
  readonly #z: Float32Array
  readonly #change: Float32Array
  /** u, as a whole and example by example. */
  readonly #u: Float32Array
  readonly #uRows: readonly Float32Array[]
  /** Q_1 … Q_{H−1} */
  readonly #signals: readonly Float32Array[]
  readonly #gradient: Float32Array
  /** Whether the pattern is that of the last point. */
  #isKnown = false
  #first: Float32Array = new Float32Array(0)
  /** Only where weight gradients are asked for: Q_H, and X_1 … X_{H−1} transposed. */
  #topSignal: Float32Array | undefined
  #inputs: readonly Float32Array[] | undefined
  /** X_1 … X_{H−1}: [rows, n]. */
  readonly #hidden: readonly Float32Array[]

  constructor(layers: readonly Matrix[], a: Float32Array, algebra: ArrayAlgebra, n: number) {
    this.#algebra = algebra
    this.#examples = n
    this.#a = a
    this.#below = layers.slice(0, -1)
    this.#top = layers.at(-1)!
    const { rows, cols } = this.#top
    this.#blocks = blocksInPlace(rows, cols)
    this.#pattern = new ActivationPattern(this.#blocks, n)
    const most = Math.max(...this.#blocks.map(({ start, stop }) => stop - start))
    this.#z = new Float32Array(most * n)
    this.#change = new Float32Array(most * n)
    this.#u = new Float32Array(n * cols)
    this.#uRows = Array.from({ length: n }, (_, i) => this.#u.subarray(i * cols, (i + 1) * cols))
    this.#hidden = this.#below.map(({ rows }) => new Float32Array(rows * n))
    this.#signals = this.#below.map(({ rows }) => new Float32Array(rows * n))
    this.#gradient = this.#isDeep ? new Float32Array(n * layers[0]!.cols) : this.#u
  }

  /** Forgets the last point. */
  clear(): void {
    this.#isKnown = false
    this.#u.fill(0)
  }

  /** Moves to x⁽⁰⁾: [n, cols of W_1], which must not change before the next move. */
  moveTo(first: Float32Array): void {
    this.#first = first
    this.#below.forEach((w, h) => {
      const shape = { m: w.rows, n: this.#examples, k: w.cols }
      this.#algebra.product(shape, asIs(w.data), this.#inputOf(h), this.#hidden[h]!)
      rectify(this.#hidden[h]!)
    })
    for (const block of this.#blocks) this.#turn(block)
    this.#isKnown = true
  }

  /** f_b: [n], by Euler's identity f_b = ⟨u, X_{H−1}⟩. Needs no signals. */
  outputs(): Float64Array {
    const n = this.#examples
    const { cols } = this.#top
    const f = new Float64Array(n)
    const below = this.#hidden.at(-1)
    for (let i = 0; i < n; i++) {
      const u = this.#uRows[i]!
      let sum = 0
      if (below === undefined)
        for (let j = 0; j < cols; j++) sum += u[j]! * this.#first[i * cols + j]!
      else for (let j = 0; j < cols; j++) sum += u[j]! * below[j * n + i]!
      f[i] = sum
    }
    return f
  }

  /** ∇f_b in x⁽⁰⁾: [n, cols of W_1]. */
  inputGradient(): Float32Array {
    if (!this.#isDeep) return this.#u
    const [signal] = this.#signalsBelow()
    const { rows, cols, data } = this.#below[0]!
    const shape = { m: this.#examples, n: cols, k: rows }
    this.#algebra.product(shape, transposed(signal!), asIs(data), this.#gradient)
    return this.#gradient
  }

  /** Q_1 … Q_{H−1}. */
  #signalsBelow(): readonly Float32Array[] {
    const n = this.#examples
    for (let h = this.#signals.length - 1; h >= 0; h--) {
      const [signal, active] = [this.#signals[h]!, this.#hidden[h]!]
      const above = this.#signals[h + 1]
      if (above === undefined) maskTransposed(this.#u, active, n, signal)
      else {
        const { rows, cols, data } = this.#below[h + 1]!
        this.#algebra.product({ m: cols, n, k: rows }, transposed(data), asIs(above), signal)
        mask(signal, active)
      }
    }
    return this.#signals
  }

  /** c_i Q_1 … c_i Q_H, for c: [n]. */
  scaledSignals(c: Float32Array): readonly Float32Array[] {
    const n = this.#examples
    this.#topSignal ??= new Float32Array(this.#top.rows * n)
    const below = this.#signalsBelow()
    for (const signal of below) scaleColumns(signal, c)
    for (const { start, stop } of this.#blocks) {
      const a = this.#a.subarray(start, stop)
      this.#pattern.spread(start, a, c, this.#topSignal.subarray(start * n, stop * n))
    }
    return [...below, this.#topSignal]
  }

  /** X_0 … X_{H−1} example by example: [n, cols]. */
  inputs(): readonly Float32Array[] {
    const n = this.#examples
    this.#inputs ??= this.#hidden.map(({ length }) => new Float32Array(length))
    this.#hidden.forEach((x, h) => {
      transpose(x, n, this.#inputs![h]!)
    })
    return [this.#first, ...this.#inputs]
  }

  get #isDeep(): boolean {
    return this.#below.length > 0
  }

  /** What W_{h+1} is multiplied by: X_h, neuron-major. */
  #inputOf(h: number) {
    return h === 0 ? transposed(this.#first) : asIs(this.#hidden[h - 1]!)
  }

  /** Brings u to the new point, as far as a block of neurons is concerned. */
  #turn({ start, stop }: RowRange): void {
    const n = this.#examples
    const rows = stop - start
    const { data, cols } = rowsOf(this.#top, start, stop)
    const z = this.#z.subarray(0, rows * n)
    this.#algebra.product({ m: rows, n, k: cols }, asIs(data), this.#inputOf(this.#below.length), z)
    const a = this.#a.subarray(start, stop)
    const change = this.#change.subarray(0, z.length)
    if (!this.#isKnown) this.#pattern.begin(start, z, a, change)
    else {
      const flips = this.#pattern.change(start, z)
      if (flips.length <= SPARSE * z.length) {
        this.#addRows(flips, a, data)
        return
      }
      spread(flips, a, n, change.fill(0))
    }
    this.#addProduct(change, data)
  }

  /** u_i ← u_i ± a_r w_r for every flip of neuron r at example i. */
  #addRows(flips: Int32Array, a: Float32Array, w: Float32Array): void {
    const n = this.#examples
    const { cols } = this.#top
    for (const flip of flips) {
      const k = flip < 0 ? ~flip : flip
      const r = Math.floor(k / n)
      const row = w.subarray(r * cols, (r + 1) * cols)
      this.#algebra.axpy(flip < 0 ? -a[r]! : a[r]!, row, this.#uRows[k % n]!)
    }
  }

  /** u ← u + (Δs)ᵀ W. */
  #addProduct(change: Float32Array, w: Float32Array): void {
    const shape = { m: this.#examples, n: this.#top.cols, k: w.length / this.#top.cols }
    this.#algebra.product(shape, transposed(change), asIs(w), this.#u, { add: true })
  }
}

/** Δs: ±a_r where a neuron flipped. */
function spread(flips: Int32Array, a: Float32Array, n: number, change: Float32Array): void {
  for (const flip of flips) {
    const k = flip < 0 ? ~flip : flip
    const r = Math.floor(k / n)
    change[k] = flip < 0 ? -a[r]! : a[r]!
  }
}

function asIs(data: Float32Array) {
  return { data, transposed: false }
}

function transposed(data: Float32Array) {
  return { data, transposed: true }
}

/** Column i times c_i. */
function scaleColumns(p: Float32Array, c: Float32Array): void {
  const n = c.length
  for (let k = 0; k < p.length; k += n) for (let i = 0; i < n; i++) p[k + i] = p[k + i]! * c[i]!
}
