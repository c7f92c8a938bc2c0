import type { NetworkSpec } from '@saddle/core'
import { neuronSlices } from '../team/slices.js'

/** What a worker attacks, as far as its size goes. */
export interface WorkInHand {
  readonly network: NetworkSpec
  /** n: examples of a shard. */
  readonly shard: number
  /** Examples whose signals are held at once. */
  readonly chunk: number
  /** Rows and columns of W_1 … W_H of one branch. */
  readonly layers: readonly { readonly rows: number; readonly cols: number }[]
  readonly branches: number
  /** Whether passes give the gradients in W and in x at once. */
  readonly joint?: boolean
}

/** Arrays [n, d] that the geometry of a PGD search has in work, its best point and its start among them. */
const GEOMETRY = 8

/** Rows of a block of W_H whose neurons are looked at together. */
const BLOCK = 4096

/**
 * Numbers of an attack that is followed (see core/networks/follow), for each branch
 *
 *   X_h, X_hᵀ, Q_h for h < H;   Q_H and u;   a block's Z, its change and its flips
 */
export function followedNumbers({ network, shard: n, layers, branches }: WorkInHand): number {
  const top = layers.at(-1)!
  const below = layers.slice(0, -1).reduce((sum, { rows }) => sum + 3 * rows, 0)
  const branch = below + top.rows + top.cols + layers[0]!.cols + 3 * Math.min(BLOCK, top.rows)
  return n * (branches * branch + GEOMETRY * network.inputs)
}

/**
 * The same for the slices of a member of a team: each slice has a follower of its own, over few rows but all columns.
 * `share` is the member's part of the slices.
 */
export function memberNumbers(work: WorkInHand, share: number): number {
  const { network, shard: n, layers, branches } = work
  const { rows, cols } = layers[0]!
  const slices = Math.ceil(share * neuronSlices(rows).length)
  const slice = 4 * (rows / neuronSlices(rows).length) + 4 * cols + network.inputs
  return n * (slices * branches * slice + GEOMETRY * network.inputs)
}

/**
 * Numbers at the peak of the plain passes, counted with `tf.profile` on networks of 1 to 3 layers: for each branch 5
 * arrays of its first layer, 4 of every further one, and 12 where σ is smooth, whose derivative has temporaries; one more
 * of the first for the adjoint of a pass that gives both gradients.
 */
export function plainNumbers({
  network,
  shard: n,
  layers,
  branches,
  joint = false,
}: WorkInHand): number {
  const smooth = network.activation !== 'relu' && network.family === 'two-layer'
  const branch = layers.reduce(
    (sum, { rows }, h) => sum + (smooth ? 12 : h === 0 ? 5 : 4) * rows,
    joint ? layers[0]!.rows : 0,
  )
  return n * (branches * branch + GEOMETRY * network.inputs)
}
