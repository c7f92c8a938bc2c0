import { programOf } from './program.js'

/** out[i] ← the low bits of `bits`: one value of any type of 4 bytes or of 1. */
export const FILL = programOf(
  'fill',
  ['u32', 'u8'].map(
    type => `
extern "C" __global__ void fill_${type === 'u32' ? 4 : 1}(i64 n, ${type} *out, i64 bits) {
  EACH(i, n) out[i] = (${type})bits;
}`,
  ),
)
