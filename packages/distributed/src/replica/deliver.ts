import { combineInto, currentBackend, type GradientFactor, rowBlocks, scoped } from '@saddle/core'
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
  factor: GradientFactor,
  place: Place & { readonly from: Float32Array | null; readonly to: Float32Array },
): void {
  const { firstRow, from, to } = place
  const product = productsOf(factor)
  for (const { start, stop } of rowBlocks(factor.signal.shape[0], cols)) {
    const [first, last] = [(firstRow + start) * cols, (firstRow + stop) * cols]
    if (from !== null && from !== to) to.set(from.subarray(first, last), first)
    product(start, stop, to.subarray(first, last), from !== null)
  }
}

/** out ← rows start..stop of signal · input, or out ← out + those: in place where the backend can, else on its device. */
function productsOf({ signal, input }: GradientFactor) {
  const [[, n], cols] = [signal.shape, input.shape[1]]
  if ((currentBackend().algebra?.() ?? null) === null)
    return (start: number, stop: number, out: Float32Array, add: boolean): void => {
      const rows = scoped(() =>
        tf.matMul(tf.slice2d(signal, [start, 0], [stop - start, n]), input).dataSync<'float32'>(),
      )
      if (add) for (let i = 0; i < out.length; i++) out[i] = out[i]! + rows[i]!
      else out.set(rows)
    }
  const [signals, inputs] = [signal, input].map(tensor => tensor.dataSync<'float32'>())
  return (start: number, stop: number, out: Float32Array, add: boolean): void => {
    const block = { signal: signals!.subarray(start * n, stop * n), input: inputs! }
    combineInto(out, cols, [block], add)
  }
}
