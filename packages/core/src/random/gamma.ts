import { SaddleError } from '../errors.js'
import type { Stream } from './stream.js'

/**
 * A gamma variable of mean and variance `shape` > 0 (Marsaglia, Tsang, "A simple method for generating gamma
 * variables", ACM TOMS 26, 2000). With d = shape − 1/3, c = 1/√(9d), x normal, u uniform and v = (1 + c x)³:
 *
 *   d v   if v > 0 and ln u < x²/2 + d − d v + d ln v,   else again (1.05 tries at most, on average)
 *
 * For shape < 1 it is Gamma(shape + 1) · u^(1/shape).
 *
 * @throws SaddleError RANGE unless `shape` is positive and finite.
 */
export function gamma(stream: Stream, shape: number): number {
  if (!(shape > 0 && shape < Number.POSITIVE_INFINITY))
    throw new SaddleError(
      'RANGE',
      `The shape of a gamma variable (half its degrees of freedom, if chi-square) must be positive and finite, got ${shape}.`,
      { shape },
    )
  if (shape < 1) return gamma(stream, shape + 1) * (1 - stream.uniform()) ** (1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = stream.normal()
    const u = 1 - stream.uniform() // in (0, 1]
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
  }
}

/** χ² with `dof` > 0 degrees of freedom, not necessarily whole: 2 Gamma(dof/2). Mean dof, variance 2 dof. */
export function chiSquare(stream: Stream, dof: number): number {
  return 2 * gamma(stream, dof / 2)
}
