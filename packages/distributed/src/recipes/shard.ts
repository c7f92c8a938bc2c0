import type { AttackSpec } from '@saddle/attacks'
import type { Loss, PerturbationSet } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { GradientPlace, ShardPasses } from '../replica/passes.js'
import { type Range, shardsOf } from '../replica/shards.js'
import { attacked } from './attacked.js'
import { free } from './free.js'
import type { StepRecipe } from './recipe.js'
import { trades } from './trades.js'
import { yopo } from './yopo.js'

/** What a recipe has at hand of a shard of n examples. */
export interface ShardWork {
  /** [n, d] chart coordinates, and [n] labels. */
  readonly x: tf.Tensor2D
  readonly y: tf.Tensor1D
  readonly set: PerturbationSet
  readonly loss: Loss
  readonly passes: ShardPasses
  /** Examples of the batch: every gradient is divided by it. */
  readonly batch: number
  /** Examples whose gradient is delivered at a time. */
  readonly chunk: number
  /** δ as the last step left it, [n, d]. @throws where nothing is carried */
  carried(): tf.Tensor2D
  /** A random point of every B(x), keyed by example and step. */
  randomStart(): tf.Tensor2D
  /** The point that an attack finds in every B(x): [n, d]. */
  search(attack: AttackSpec): tf.Tensor2D
  /** Work whose products may round as those of a search may: it decides where x' lies, and nothing else. */
  searching<T>(work: () => T): T
  /** Called between two passes. @throws SaddleError STOPPED if the run is to stop */
  between(done: number, total: number): void
}

/** What came of a shard; its gradient is delivered. */
export interface ShardDone {
  /** The attacked points as the network sees them, and f there: [n, outputs]. */
  readonly seen: tf.Tensor2D
  readonly outputs: tf.Tensor2D
  /** [n]: of what is trained, ℓ(f(x'), y) for most. */
  readonly losses: tf.Tensor1D
  /** δ for the next step: [n, d]; null if this one carries nothing. */
  readonly carried: tf.Tensor2D | null
}

/** One step's work on a shard. Call inside a scope. */
export function workOn(recipe: StepRecipe, work: ShardWork): ShardDone {
  switch (recipe.kind) {
    case 'attack':
      return attacked(recipe, work)
    case 'trades':
      return trades(recipe, work)
    case 'free':
      return free(recipe, work)
    case 'yopo':
      return yopo(recipe, work)
  }
}

/**
 * Delivers the gradient of (1/batch) Σ_i ⟨cotangent_i, f⟩ at `seen` [n, d], chunk by chunk, and returns f there.
 *
 * @param cotangent of the outputs of the examples in `rows` of the shard
 */
export function deliverAt(
  { passes, batch, chunk }: ShardWork,
  seen: tf.Tensor2D,
  point: number,
  cotangent: (outputs: tf.Tensor2D, rows: Range) => tf.Tensor2D,
): tf.Tensor2D {
  const [n, d] = seen.shape
  const chunks = shardsOf(n, chunk).map(rows => {
    const place: GradientPlace = { start: rows.start, point }
    const points = tf.slice2d(seen, [rows.start, 0], [rows.stop - rows.start, d])
    return passes.gradient(points, f => tf.div(cotangent(f, rows), batch), place)
  })
  return tf.concat2d(chunks, 0)
}

/** Rows of a tensor with a row an example. */
export function rowsIn<T extends tf.Tensor>(tensor: T, { start, stop }: Range): T {
  return tf.slice(tensor, start, stop - start)
}
