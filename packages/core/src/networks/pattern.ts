import type { RowRange } from '../tensors/matrix.js'
import { bitsOf } from './bits.js'

/**
 * Which of a layer's neurons are active at which example, one bit each: 1{Z > 0} for Z [rows, n], seen block of rows
 * by block of rows.
 */
export class ActivationPattern {
  readonly #words: Int32Array
  readonly #firstWord = new Map<number, number>()
  readonly #flips: Int32Array

  /** @param blocks the row ranges in which Z will be shown. rows · n / 8 bytes, and 4 · n a row of the largest block. */
  constructor(blocks: readonly RowRange[], examples: number) {
    let words = 0
    let largest = 0
    for (const { start, stop } of blocks) {
      const size = (stop - start) * examples
      this.#firstWord.set(start, words)
      words += Math.ceil(size / 32)
      largest = Math.max(largest, size)
    }
    this.#words = new Int32Array(words)
    this.#flips = new Int32Array(largest)
  }

  /**
   * Makes 1{Z > 0} the pattern of a block, given by its first row, whatever it was: a ⊙ 1{Z > 0} goes to `out`. About
   * 2 ns a number.
   *
   * @param z Z of the block: [rows, n].
   * @param a one number a row.
   * @param out [rows, n].
   */
  begin(start: number, z: Float32Array, a: Float32Array, out: Float32Array): void {
    const first = this.#firstWord.get(start)!
    activate(bitsOf(z), bitsOf(a), bitsOf(out), this.#words, first)
  }

  /**
   * The same for a pattern that is nearly so already. About 0.8 ns a number.
   *
   * @returns the places k in `z` at which a neuron changed, ascending: k where it became active, ~k where it ceased to
   * be. Valid until the next call.
   */
  change(start: number, z: Float32Array): Int32Array {
    const count = compare(bitsOf(z), this.#words, this.#firstWord.get(start)!, this.#flips)
    return this.#flips.subarray(0, count)
  }

  /** a_r c_i where neuron r of the block is active at example i, else 0, into `out` [rows, n]. */
  spread(start: number, a: Float32Array, c: Float32Array, out: Float32Array): void {
    spread(this.#words, this.#firstWord.get(start)!, a, c, out)
  }
}

function spread(
  words: Int32Array,
  first: number,
  a: Float32Array,
  c: Float32Array,
  out: Float32Array,
): void {
  const n = c.length
  for (let r = 0, k = 0; r < a.length; r++) {
    const ar = a[r]!
    for (let i = 0; i < n; i++, k++)
      out[k] = ((words[first + (k >> 5)]! << (k & 31)) >>> 31) * (ar * c[i]!)
  }
}

/** Bit 31 − j of a word is that of the number j places behind the word's first. */
function compare(bits: Int32Array, words: Int32Array, first: number, flips: Int32Array): number {
  let count = 0
  for (let k = 0, w = first; k < bits.length; k += 32, w++) {
    const word = k + 32 <= bits.length ? wholeWord(bits, k) : lastWord(bits, k)
    let changed = word ^ words[w]!
    words[w] = word
    while (changed !== 0) {
      const j = Math.clz32(changed)
      flips[count++] = word << j < 0 ? k + j : ~(k + j)
      changed &= ~(0x80000000 >>> j)
    }
  }
  return count
}

function activate(
  bits: Int32Array,
  values: Int32Array,
  signals: Int32Array,
  words: Int32Array,
  first: number,
): void {
  const n = bits.length / values.length
  let word = 0
  for (let r = 0, k = 0; r < values.length; r++) {
    const a = values[r]!
    for (let i = 0; i < n; i++, k++) {
      const b = bits[k]!
      const active = (-b & ~b) >> 31
      signals[k] = a & active
      word = (word << 1) | -active
      if ((k & 31) === 31) words[first + (k >> 5)] = word
    }
  }
  const rest = bits.length & 31
  if (rest > 0) words[first + (bits.length >> 5)] = word << (32 - rest)
}

/** −b & ~b has its top bit set if and only if the float with the bits b is above 0. */
function wholeWord(bits: Int32Array, k: number): number {
  let word = 0
  for (let i = k; i < k + 32; i += 4) {
    const [a, b, c, d] = [bits[i]!, bits[i + 1]!, bits[i + 2]!, bits[i + 3]!]
    word =
      (word << 4) |
      (((-a & ~a) >>> 31) << 3) |
      (((-b & ~b) >>> 31) << 2) |
      (((-c & ~c) >>> 31) << 1) |
      ((-d & ~d) >>> 31)
  }
  return word
}

function lastWord(bits: Int32Array, k: number): number {
  let word = 0
  for (let i = k; i < bits.length; i++) word |= ((-bits[i]! & ~bits[i]!) >>> 31) << (31 - (i - k))
  return word
}
