import * as tf from '@tensorflow/tfjs-core'
import { filledTensor, floatsOf, tensorsAreArrays } from './arrays.js'

/** Rows of float32 tensors [n, …] by their places 0..n − 1, moved bit for bit. */
export type Rows = readonly number[] | Int32Array

/** Row rows[k] of x at place k: [rows.length, …]. */
export function takeRows<T extends tf.Tensor>(x: T, rows: Rows): T {
  if (!tensorsAreArrays())
    return tf.gather(x, tf.util.toTypedArray(rows, 'int32') as Int32Array) as T
  const from = floatsOf(x)
  const width = widthOf(x)
  return filledTensor([rows.length, ...x.shape.slice(1)] as [number], out => {
    for (let k = 0; k < rows.length; k++)
      out.set(from.subarray(rows[k]! * width, (rows[k]! + 1) * width), k * width)
  }) as tf.Tensor as T
}

/** x with row rows[k] replaced by row k of `values`; rows named twice have the last one. */
export function putRows<T extends tf.Tensor>(x: T, rows: Rows, values: T): T {
  const n = x.shape[0]!
  if (!tensorsAreArrays()) {
    const places = Int32Array.from({ length: n }, (_, i) => i)
    for (let k = 0; k < rows.length; k++) places[rows[k]!] = n + k
    return tf.tidy(() => tf.gather(tf.concat([x, values], 0), places)) as T
  }
  const [from, to] = [floatsOf(values), floatsOf(x)]
  const width = widthOf(x)
  return filledTensor(x.shape as [number], out => {
    out.set(to.subarray(0, n * width))
    for (let k = 0; k < rows.length; k++)
      out.set(from.subarray(k * width, (k + 1) * width), rows[k]! * width)
  }) as tf.Tensor as T
}

function widthOf(x: tf.Tensor): number {
  return tf.util.sizeFromShape(x.shape.slice(1))
}
