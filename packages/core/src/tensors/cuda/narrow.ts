import { programOf } from './program.js'

/** out[i] ← a[i] rounded to bf16, to the nearest and on a tie to the even one; NaN stays NaN. */
export const NARROW = programOf('narrow', [
  `
extern "C" __global__ void narrow(i64 n, const u32 *a, u16 *out) {
  EACH(i, n) {
    u32 bits = a[i];
    out[i] = (u16)((bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  }
}`,
])
