import type { RowRange } from '../tensors/matrix.js'

/**
 * Which of a layer's neurons are active at which example, one bit each: 1{Z > 0} for Z [rows, n], seen block of rows
 * by block of rows. At first none is.
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

  /** Forgets everything: none is active. */
  clear(): void {
    this.#words.fill(0)
  }

  /**
   * Makes 1{Z > 0} the pattern of a block, given by its first row. About 0.8 ns a number.
   *
   * @param z Z of the block: [rows, n].
   * @returns the places k in `z` at which a neuron changed, ascending: k where it became active, ~k where it ceased to
   * be. Valid until the next call.
   */
  change(start: number, z: Float32Array): Int32Array {
    const bits = new Int32Array(z.buffer, z.byteOffset, z.length)
    const count = compare(bits, this.#words, this.#firstWord.get(start)!, this.#flips)
    return this.#flips.subarray(0, count)
  }

  /** a_r c_i where neuron r of the block is active at example i, else 0, into `out` [rows, n]. */
  spread(start: number, a: Float32Array, c: Float32Array, out: Float32Array): void {
    const n = c.length
    const first = this.#firstWord.get(start)!
    for (let r = 0, k = 0; r < a.length; r++)
      for (let i = 0; i < n; i++, k++) {
        const active = (this.#words[first + (k >> 5)]! << (k & 31)) >>> 31
        out[k] = active * a[r]! * c[i]!
      }
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
