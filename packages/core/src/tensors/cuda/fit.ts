/** Bytes of a device at the moment when it had no room. */
export interface HeldBytes {
  readonly asked: number
  /** Whether that was for a matrix that stays. */
  readonly toStay: boolean
  /** In tensors of this thread, rounded up to their size classes, those that stay included. */
  readonly inUse: number
  /** In matrices that stay, which take the same for any number of examples. */
  readonly staying: number
}

/** Size classes round up by an eighth at most. */
const ROUNDED_UP = 9 / 8

/**
 * How many examples would have had room where `examples` had none: all that does not stay is in proportion to them (for a
 * tensor that was asked for; a matrix takes its part of what is free),
 *
 *   N = free + (inUse − staying) over 9/8 · (asked + inUse − staying)/examples
 *
 * That much was needed so far; a pass that goes on may need more, so N is an upper bound that is close where the largest
 * tensors were already there. 0 where not even one fits.
 *
 * @param free bytes that the device says are free, once all that waited was given back to it.
 */
export function examplesThatFit(held: HeldBytes, free: number, examples: number): number {
  const passing = held.inUse - held.staying
  const [matrix, tensor] = held.toStay ? [held.asked, 0] : [0, held.asked]
  const each = (ROUNDED_UP * (tensor + passing)) / examples
  if (each === 0) return 0
  return Math.max(0, Math.min(examples - 1, Math.floor((free + passing - matrix) / each)))
}
