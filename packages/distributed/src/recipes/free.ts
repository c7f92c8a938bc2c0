import { resolved } from '@saddle/attacks'
import * as tf from '@tensorflow/tfjs-core'
import { shardsOf } from '../replica/shards.js'
import type { StepRecipe } from './recipe.js'
import { rowsIn, type ShardDone, type ShardWork } from './shard.js'

/**
 * Free adversarial training (Shafahi et al., NeurIPS 2019). Every mini-batch is taken for m steps in a row, and every
 * step moves W and the perturbation δ by one pass:
 *
 *   x' = P_{B(x)}(x + δ),   g = ∇ℓ(f(x'), y) in W and in x,   δ ← P_{B(x)}(x' + η u(g_x)) − x
 *
 * δ begins at 0 and is carried from replay to replay and from mini-batch to mini-batch, by the place in the batch.
 * One pass a step.
 */
export function free(
  { stepSize }: Extract<StepRecipe, { kind: 'free' }>,
  work: ShardWork,
): ShardDone {
  const { x, y, set, loss, batch, chunk } = work
  const before = work.carried()
  const chunks = shardsOf(x.shape[0], chunk).map(rows => {
    const [centres, labels] = [rowsIn(x, rows), rowsIn(y, rows)]
    const at = set.project(centres, tf.add(centres, rowsIn(before, rows)))
    const seen = set.embed(at)
    const cotangent = (f: tf.Tensor2D): tf.Tensor2D => tf.div(loss.derivative(f, labels), batch)
    const place = { start: rows.start, point: 0 }
    const { outputs, gradient } = work.passes.joint!(seen, cotangent, place)
    const direction = resolved(set.pullback(at, gradient), cotangent(outputs))
    const next = set.advance(centres, at, tf.mul(direction, batch), stepSize * set.radius)
    return { seen, outputs, carried: tf.sub(next, centres) as tf.Tensor2D }
  })
  const outputs = joined(chunks.map(c => c.outputs))
  return {
    seen: joined(chunks.map(c => c.seen)),
    outputs,
    losses: loss.value(outputs, y),
    carried: joined(chunks.map(c => c.carried)),
  }
}

function joined(parts: readonly tf.Tensor2D[]): tf.Tensor2D {
  return tf.concat2d([...parts], 0)
}
