import { type GradientFactor, rowBlocks, scoped } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { GradientBuffers } from './workspace.js'

/** Where a factor's rows belong: it has all rows of its matrix, or those of a slice from `firstRow` on. */
interface Place {
  readonly firstRow: number
}

/** A factor of n examples into the window, at the place of its first example. */
export function deliverFactor(
  buffers: GradientBuffers,
  { signal, input }: GradientFactor,
  { firstRow, offset }: Place & { readonly offset: number },
): void {
  const first = offset * buffers.rows + firstRow * input.shape[0]
  buffers.signals!.set(signal.dataSync<'float32'>(), first)
  // The same for all rows, so left to whoever has the first.
  if (firstRow === 0) buffers.inputs!.set(input.dataSync<'float32'>(), offset * buffers.cols)
}

/** to ← signal · input, or to ← from + signal · input, block of rows by block of rows; [rows, cols] of the matrix. */
export function deliverDense(
  { cols }: GradientBuffers,
  { signal, input }: GradientFactor,
  place: Place & { readonly from: Float32Array | null; readonly to: Float32Array },
): void {
  const { firstRow, from, to } = place
  for (const { start, stop } of rowBlocks(signal.shape[0], cols))
    scoped(() => {
      const block = tf.slice2d(signal, [start, 0], [stop - start, signal.shape[1]])
      const product = tf.matMul(block, input).dataSync<'float32'>()
      const first = (firstRow + start) * cols
      if (from === null) to.set(product, first)
      else for (let i = 0; i < product.length; i++) to[first + i] = from[first + i]! + product[i]!
    })
}
