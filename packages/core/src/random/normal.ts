import { WORD } from './philox.js'

/**
 * Box–Muller: with u uniform in (0, 1) and v uniform in [0, 1),
 *
 *   r = √(−2 ln u),   z₀ = r cos 2πv,   z₁ = r sin 2πv   are independent standard normals.
 *
 * One 32-bit word makes u = (a + ½)/2³², a second v = b/2³²: no normal is larger than 6.77, which 1 in 7·10¹⁰ would be.
 * Sine and cosine are evaluated here, not by Math, whose last bits the language leaves to the engine.
 *
 * Writes `pairs` pairs, times `scale`, to `out` from `offset` on; pair i is made of words 2i and 2i + 1 after `first`.
 */
export function writeNormals(
  words: Uint32Array,
  first: number,
  pairs: number,
  out: Float32Array | Float64Array,
  offset: number,
  scale: number,
): void {
  for (let pair = 0; pair < pairs; pair++) {
    const a = words[first + 2 * pair]!
    const b = words[first + 2 * pair + 1]!
    const r = scale * Math.sqrt(-2 * Math.log((a + 0.5) * WORD))

    // 2πv = (π/2)·quarter + θ with |θ| ≤ π/4; then the turn by whole quarters, exactly
    const quarter = ((b + 0x20000000) >>> 30) & 3
    const theta = ((b - (quarter << 30)) | 0) * RADIANS
    const t = theta * theta
    const sine = theta + theta * t * (S1 + t * (S2 + t * (S3 + t * (S4 + t * (S5 + t * S6)))))
    const cosine = 1 - 0.5 * t + t * t * (C1 + t * (C2 + t * (C3 + t * (C4 + t * (C5 + t * C6)))))
    const re = QUARTER_RE[quarter]!
    const im = QUARTER_IM[quarter]!

    out[offset + 2 * pair] = r * (re * cosine - im * sine)
    out[offset + 2 * pair + 1] = r * (im * cosine + re * sine)
  }
}

const RADIANS = 2 * Math.PI * WORD

/** cos and sin of whole quarter turns. */
const QUARTER_RE = new Float64Array([1, 0, -1, 0])
const QUARTER_IM = new Float64Array([0, 1, 0, -1])

/** Minimax coefficients on [−π/4, π/4], error below 2⁻⁵⁷ (FreeBSD msun k_sin.c and k_cos.c, Sun Microsystems 1993). */
const S1 = -1.6666666666666632e-1
const S2 = 8.33333333332249e-3
const S3 = -1.984126982985795e-4
const S4 = 2.7557313707070068e-6
const S5 = -2.5050760253406863e-8
const S6 = 1.58969099521155e-10
const C1 = 4.16666666666666e-2
const C2 = -1.388888888887411e-3
const C3 = 2.480158728947673e-5
const C4 = -2.7557314351390663e-7
const C5 = 2.087572321298175e-9
const C6 = -1.1359647557788195e-11
