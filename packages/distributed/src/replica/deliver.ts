import { combineInto, type GradientFactor, rowBlocks } from '@saddle/core'
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
  const [signals, inputs] = [signal, input].map(tensor => tensor.dataSync<'float32'>())
  const n = input.shape[0]
  for (const { start, stop } of rowBlocks(signal.shape[0], cols)) {
    const [first, last] = [(firstRow + start) * cols, (firstRow + stop) * cols]
    if (from !== null && from !== to) to.set(from.subarray(first, last), first)
    const block = { signal: signals!.subarray(start * n, stop * n), input: inputs! }
    combineInto(to.subarray(first, last), cols, [block], from !== null)
  }
}
