import * as tf from '@tensorflow/tfjs-core'
import type { ProductShape } from './algebra.js'

/** The products of a batch, broadcast: result i is that of matrix fromA[i] of A with matrix fromB[i] of B. */
export interface BatchedProducts {
  readonly shape: ProductShape
  /** [...batch, m, n]. */
  readonly outShape: number[]
  readonly fromA: Int32Array
  readonly fromB: Int32Array
}

/** The products that `tf.matMul` of tensors of these shapes takes. Throws where they don't fit. */
export function planProducts(
  a: readonly number[],
  b: readonly number[],
  transposeA: boolean,
  transposeB: boolean,
): BatchedProducts {
  const [left, right] = [matrixShape(a, transposeA), matrixShape(b, transposeB)]
  tf.util.assert(
    left.cols === right.rows,
    () =>
      `Error in matMul: inner shapes (${left.cols}) and (${right.rows}) of Tensors with shapes ${a} and ` +
      `${b} and transposeA=${transposeA} and transposeB=${transposeB} must match.`,
  )
  const shape = { m: left.rows, n: right.cols, k: left.cols }
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(left.batch, right.batch)
  return {
    shape,
    outShape: [...batch, shape.m, shape.n],
    fromA: batchIndices(left.batch, batch),
    fromB: batchIndices(right.batch, batch),
  }
}

/** Shape of op(X) for a tensor [...batch, rows, cols]. */
function matrixShape(shape: readonly number[], transposed: boolean) {
  const [first, second] = [shape.at(-2)!, shape.at(-1)!]
  return {
    batch: shape.slice(0, -2),
    rows: transposed ? second : first,
    cols: transposed ? first : second,
  }
}

/** For each matrix of the result, in order, which matrix of an operand with batch shape `own` it is made of. */
function batchIndices(own: readonly number[], batch: readonly number[]): Int32Array {
  const from = new Int32Array(tf.util.sizeFromShape([...batch]))
  const missing = batch.length - own.length
  for (let i = 0; i < from.length; i++) {
    let rest = i
    let index = 0
    let stride = 1
    for (let d = batch.length - 1; d >= missing; d--) {
      const length = own[d - missing]!
      if (length > 1) index += (rest % batch[d]!) * stride
      stride *= length
      rest = Math.floor(rest / batch[d]!)
    }
    from[i] = index
  }
  return from
}
