import { assertShape } from '../../errors.js'
import type { ArrayAlgebra } from '../algebra.js'
import { gemm } from './gemm.js'
import type { BlasLibrary } from './library.js'

/** Below this length a loop is done before a call of the library has begun (0.2 µs). */
const SHORT = 128

/** Products and sums on arrays by the library. */
export function blasAlgebra({ sgemm, saxpy }: BlasLibrary): ArrayAlgebra {
  return {
    product: (shape, a, b, c, into) => gemm(sgemm, shape, a, b, c, into),
    axpy(alpha, x, y) {
      assertShape('operand of y + αx', [x.length], [y.length])
      if (x.length >= SHORT) return saxpy(x.length, alpha, x, 1, y, 1)
      for (let j = 0; j < x.length; j++) y[j] = y[j]! + alpha * x[j]!
    },
  }
}
