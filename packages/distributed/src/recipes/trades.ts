import { divergence } from '@saddle/attacks'
import * as tf from '@tensorflow/tfjs-core'
import type { StepRecipe } from './recipe.js'
import { deliverAt, rowsIn, type ShardDone, type ShardWork } from './shard.js'

/**
 * TRADES (Zhang, Yu, Jiao, Xing, El Ghaoui, Jordan, ICML 2019): with p = softmax(f(x)) and q = softmax(f(x')),
 *
 *   ℓ(f(x), y) + β KL(p ‖ q),   x' ascends KL(p ‖ q) in B(x)
 *
 * Both terms are differentiated, the second one at both points:
 *
 *   at x'   β ∂KL/∂f(x') = β (q − p)
 *   at x    ∂ℓ/∂f(x) + β ∂KL/∂f(x)
 *
 * K + 2 passes, and two forward passes at x: one for the search and one for the cotangent at x'.
 */
export function trades(
  { attack, beta }: Extract<StepRecipe, { kind: 'trades' }>,
  work: ShardWork,
): ShardDone {
  const { x, y, set, loss, passes } = work
  const seen = set.embed(work.search(attack))
  const clean = set.embed(x)
  const before = passes.model.forward(clean)
  const attacked = deliverAt(work, seen, 0, (f, rows) =>
    tf.mul(beta, divergence(rowsIn(before, rows), f).second),
  )
  const outputs = deliverAt(work, clean, 1, (f, rows) =>
    tf.add(
      loss.derivative(f, rowsIn(y, rows)),
      tf.mul(beta, divergence(f, rowsIn(attacked, rows)).first),
    ),
  )
  const gap = divergence(outputs, attacked).value
  const losses: tf.Tensor1D = tf.add(loss.value(outputs, y), tf.mul(beta, gap))
  return { seen, outputs: attacked, losses, carried: null }
}
