import { SaddleError } from '../errors.js'
import { writeNormals } from './normal.js'
import { philox, WORD } from './philox.js'

/**
 * Names one independent stream of random numbers. Equal keys give equal numbers on any worker, in any order;
 * streams of different keys never overlap. `purpose` says what the numbers are for (`weights`, `attack.start`, …).
 * `step`, `example` and `restart` are integers in 0..2^32 − 1; one left out is 0.
 */
export interface StreamKey {
  /** Integer in 0..2^53 − 1. */
  readonly seed: number
  readonly purpose: string
  readonly step?: number
  /** Index of the example in its data set, or of a row of weights. */
  readonly example?: number
  readonly restart?: number
}

/** Numbers drawn one after another from the stream of a key. */
export interface Stream {
  /** Next integer in 0..2^32 − 1. */
  uint32(): number
  /** Next float64 in [0, 1), 53 random bits. */
  uniform(): number
  /** Next standard normal, float64 (Box–Muller). */
  normal(): number
  /** Fills `out` with standard normals times `scale`: the numbers `normal()` would give, at 25 ns each. */
  fillNormal(out: Float32Array | Float64Array, scale?: number): void
  /** Fills `out` with numbers of [0, 1): those that `uniform()` would give, at 25 ns each in place of 150. */
  fillUniform(out: Float64Array): void
  /**
   * Goes to the beginning of the stream of another example, the rest of the key unchanged: for many short streams, such
   * as rows of weights. Nothing is allocated.
   *
   * @throws SaddleError RANGE if it is not an integer in 0..2^32 − 1.
   */
  reopen(example: number): void
}

/** Blocks generated at a time by `fillNormal` and `fillUniform`: 8 KiB of words, which stay in the first-level cache. */
const BULK = 512
const bulk = new Uint32Array(4 * BULK)

/**
 * Opens the stream of `key` at its beginning. With Philox a counter and a key name every block of four words:
 *
 *   subkey  = first two words of philox(counter: (hash of purpose, its length, 0, TAG), key: seed)
 *   block i = philox(counter: (i, restart, example, step), key: subkey)
 *
 * A stream holds 2³² blocks. Streams of one seed and purpose are disjoint by construction; others are outputs of the
 * same cipher under unrelated 64-bit keys.
 *
 * @throws SaddleError RANGE if a part of the key is not an integer in its range, or the stream is used up.
 */
export function openStream(key: StreamKey): Stream {
  const subkey = subkeyOf(key.seed, key.purpose)
  const counter: [block: number, restart: number, example: number, step: number] = [
    0,
    requireWord('restart', key.restart ?? 0),
    requireWord('example', key.example ?? 0),
    requireWord('step', key.step ?? 0),
  ]
  const words = new Uint32Array(4)
  const pair = new Float64Array(2)
  let used = 4
  let hasSpare = false

  function generate(out: Uint32Array, blocks: number): void {
    if (counter[0] + blocks > 2 ** 32) throw usedUp(key)
    philox(out, blocks, counter, subkey)
    counter[0] += blocks
  }

  function uint32(): number {
    if (used === 4) {
      generate(words, 1)
      used = 0
    }
    return words[used++]!
  }

  function normal(): number {
    if (hasSpare) {
      hasSpare = false
      return pair[1]!
    }
    used += used & 1 // a pair never straddles two blocks
    if (used === 4) {
      generate(words, 1)
      used = 0
    }
    writeNormals(words, used, 1, pair, 0, 1)
    used += 2
    hasSpare = true
    return pair[0]!
  }

  function fillNormal(out: Float32Array | Float64Array, scale = 1): void {
    let filled = 0
    const whole = () => !hasSpare && used >= 3
    while (filled < out.length && !whole()) out[filled++] = scale * normal()
    while (out.length - filled >= 4) {
      const blocks = Math.min(BULK, (out.length - filled) >>> 2)
      generate(bulk, blocks)
      writeNormals(bulk, 0, 2 * blocks, out, filled, scale)
      filled += 4 * blocks
      used = 4
    }
    while (filled < out.length) out[filled++] = scale * normal()
  }

  const uniform = () => fraction(uint32(), uint32())

  function fillUniform(out: Float64Array): void {
    let filled = 0
    while (filled < out.length && used !== 4) out[filled++] = uniform()
    while (out.length - filled >= 2) {
      const blocks = Math.min(BULK, (out.length - filled) >>> 1)
      generate(bulk, blocks)
      for (let w = 0; w < 4 * blocks; w += 2) out[filled++] = fraction(bulk[w]!, bulk[w + 1]!)
    }
    if (filled < out.length) out[filled] = uniform()
  }

  function reopen(example: number): void {
    counter[0] = 0
    counter[2] = requireWord('example', example)
    used = 4
    hasSpare = false
  }

  return {
    uint32,
    uniform,
    normal,
    fillNormal,
    fillUniform,
    reopen,
  }
}

/** 53 bits of two words as a number of [0, 1). */
function fraction(high: number, low: number): number {
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) * 2 ** -53
}

/** Keeps the counters of subkeys apart from those of any numbers drawn under the bare seed. */
const TAG = 0x5add1e

function subkeyOf(seed: number, purpose: string): readonly [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new SaddleError(
      'RANGE',
      `A seed must be an integer in 0..2^53 - 1, got ${seed}. Choose another seed.`,
      { seed },
    )
  const out = new Uint32Array(4)
  philox(out, 1, [fnv1a(purpose), purpose.length, 0, TAG], [seed >>> 0, Math.floor(seed * WORD)])
  return [out[0]!, out[1]!]
}

/** FNV-1a over UTF-16 code units, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

function requireWord(what: string, value: number): number {
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value
  throw new SaddleError(
    'RANGE',
    `The ${what} of a stream key must be an integer in 0..2^32 - 1, got ${value}. Number steps, examples and restarts from 0.`,
    { [what]: value },
  )
}

function usedUp(key: StreamKey): SaddleError {
  return new SaddleError(
    'RANGE',
    `The random stream "${key.purpose}" of seed ${key.seed} is used up: 2^34 words were drawn from it. Split the work over several streams, one for each example or row.`,
    { ...key },
  )
}
