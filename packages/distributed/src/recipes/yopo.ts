import { resolved } from '@saddle/attacks'
import * as tf from '@tensorflow/tfjs-core'
import { type Range, shardsOf } from '../replica/shards.js'
import type { StepRecipe } from './recipe.js'
import { rowsIn, type ShardDone, type ShardWork } from './shard.js'

type Yopo = Extract<StepRecipe, { kind: 'yopo' }>

/**
 * YOPO-m-n (Zhang, Zhang, Lu, Zhu, Dong, NeurIPS 2019). From a random point of B(x), m times:
 *
 *   one pass at x'      its share (1/m) ∇_W ℓ(f(x'), y), and the adjoint p = ∂ℓ/∂X_1 of the first block X_1 = σ(W_1 A x)
 *   n times             x' ← P_{B(x)}( x' + σ u(∇_x ⟨p, X_1(x')⟩) ),   p held fixed
 *
 * The block ends after the activation: before it, ∇_x ⟨p, W_1 A x⟩ would not change with x. The first of the n
 * gradients is that of the pass itself. The n steps after the last pass would move nothing that is used: left out. The
 * gradients are averaged, the authors' sum at a step size of α/m. m passes, and (m − 1)(n − 1) through the first layer.
 *
 * The loss is the mean over the m passes, whose gradient is taken; accuracy is that of the last.
 */
export function yopo(recipe: Yopo, work: ShardWork): ShardDone {
  const { x, chunk } = work
  const start = work.randomStart()
  const chunks = shardsOf(x.shape[0], chunk).map(rows =>
    ofChunk(recipe, work, rows, rowsIn(start, rows)),
  )
  return {
    seen: tf.concat2d(
      chunks.map(c => c.seen),
      0,
    ),
    outputs: tf.concat2d(
      chunks.map(c => c.outputs),
      0,
    ),
    losses: tf.concat1d(chunks.map(c => c.losses)),
    carried: null,
  }
}

function ofChunk(
  { passes, inner, stepSize }: Yopo,
  work: ShardWork,
  rows: Range,
  start: tf.Tensor2D,
) {
  const { set, loss, batch } = work
  const [centres, labels] = [rowsIn(work.x, rows), rowsIn(work.y, rows)]
  let at = start
  let losses: tf.Tensor1D = tf.zerosLike(labels)
  for (let pass = 0; ; pass++) {
    work.between(pass, passes)
    const seen = set.embed(at)
    const cotangent = (f: tf.Tensor2D): tf.Tensor2D =>
      tf.div(loss.derivative(f, labels), batch * passes)
    const place = { start: rows.start, point: pass }
    const { outputs, gradient, adjoint } = work.passes.joint!(seen, cotangent, place)
    losses = tf.add(losses, tf.div(loss.value(outputs, labels), passes))
    if (pass === passes - 1) return { seen, outputs, losses }
    const c = cotangent(outputs)
    for (let step = 0; step < inner; step++) {
      const from = at
      at = tf.tidy(() => {
        const g =
          step === 0
            ? gradient
            : work.searching(() => work.passes.firstBlock!(set.embed(from), adjoint))
        const direction = tf.mul(resolved(set.pullback(from, g), c), batch * passes) as tf.Tensor2D
        return set.advance(centres, from, direction, stepSize * set.radius)
      })
    }
    tf.dispose([gradient, ...adjoint])
  }
}
