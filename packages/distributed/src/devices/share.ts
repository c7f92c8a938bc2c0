import type { DeviceInfo } from '@saddle/core'

/** A process among those of its machine that can compute on the same devices. */
export interface Place {
  /** 0 … count − 1. */
  readonly index: number
  readonly count: number
}

export const ALONE: Place = { index: 0, count: 1 }

/** A share of something, and how many processes have each of its parts. */
export interface Share<T> {
  readonly own: readonly T[]
  readonly sharers: number
}

/**
 * The devices of process i among k. Of n ≥ k it has those from ⌊i n / k⌋ to ⌊(i + 1) n / k⌋, and nobody else has them; of
 * n < k it has device ⌊i n / k⌋, and so have up to ⌈k / n⌉ of them.
 */
export function shareOf<T>(all: readonly T[], { index, count }: Place): Share<T> {
  const start = Math.floor((index * all.length) / count)
  const stop = Math.floor(((index + 1) * all.length) / count)
  if (all.length >= count) return { own: all.slice(start, stop), sharers: 1 }
  return { own: all.slice(start, start + 1), sharers: Math.ceil(count / all.length) }
}

/**
 * Cards by what they are; where that is not known, by the numbers that this process was given. A scheduler may give ranks
 * cards of their own under the same numbers.
 */
export function identityOf(devices: readonly DeviceInfo[]): string {
  const visible = process.env.CUDA_VISIBLE_DEVICES ?? 'all'
  return devices.map(({ ordinal, uuid }) => uuid ?? `${ordinal} of ${visible}`).join(' ')
}
