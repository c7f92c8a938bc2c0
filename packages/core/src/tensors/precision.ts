import { SaddleError } from '../errors.js'
import { currentBackend } from './backends.js'

/**
 * What a product of float32 matrices rounds its operands to; sums are float32 in every case.
 *
 *   float32   24 bits of mantissa: nothing is rounded
 *   tf32      11 bits, the exponent of float32
 *   bf16      8 bits, the exponent of float32
 */
export type Precision = 'float32' | 'tf32' | 'bf16'

/**
 * Runs `work`, which must not be asynchronous, with products of another precision: for passes whose result is only searched for,
 * never for a figure that is reported.
 *
 * @throws SaddleError CONFIG if what computes in this thread has float32 only.
 */
export function withPrecision<T>(precision: Precision, work: () => T): T {
  if (precision === 'float32') return work()
  const { name, withPrecision: run } = currentBackend()
  if (run === undefined)
    throw new SaddleError(
      'CONFIG',
      `Products in ${precision}: expected a backend that has them (cuda), got ${name}. Use float32, or another backend.`,
      { precision, backend: name },
    )
  return run(precision, work)
}
