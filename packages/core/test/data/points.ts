import type { DataSpec, Dataset } from '@saddle/core'

/** All of MNIST, as it is. */
export const base: DataSpec = {
  source: { kind: 'mnist' },
  classes: null,
  labels: 'classes',
  count: null,
  testCount: null,
  sphere: { kind: 'none' },
  pool: 1,
}

/** Coordinates are rounded to float32 (2^-24 each, relatively), and so is their norm, at most. */
export const ROUNDING = 1e-7

export function row({ inputs, dimension }: Dataset, i: number): number[] {
  return [...inputs.subarray(i * dimension, (i + 1) * dimension)]
}

export function norm(x: readonly number[]): number {
  return Math.sqrt(x.reduce((sum, v) => sum + v * v, 0))
}

export function distance(x: readonly number[], y: readonly number[]): number {
  return norm(x.map((v, j) => v - y[j]!))
}

export function histogram(labels: Iterable<number>): number[] {
  const counts: number[] = []
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1
  return counts
}
