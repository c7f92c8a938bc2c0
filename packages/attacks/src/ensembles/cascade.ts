import { putRows, takeRows } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attack, Attackable, AttackKey, AttackOptions } from '../attack.js'
import type { Found } from '../finish.js'
import { better, noChampion } from '../first-order/champion.js'
import { objectiveOf } from '../losses/attack-loss.js'
import { partOf, placesOfZero } from '../part.js'
import { optionsFor } from '../search/starting-points.js'
import { advanced } from '../tidied.js'
import { type View, viewOf } from '../view.js'

/** An attack of an ensemble, and the key that it draws by. */
export interface Member {
  readonly attack: Attack
  readonly key: AttackKey
}

/**
 * The worst case of several attacks, example by example: the point of the first that succeeds, else the one of largest
 * ℓ (or smallest loss of the target). A cascade: each attack is given the examples that still stand. Since randomness is
 * keyed by example, that is the minimum over all attacks run on all examples, for less.
 */
export function cascade(
  members: readonly Member[],
  view: View,
  model: Attackable,
  options: AttackOptions,
): Found & { readonly queries: Int32Array; readonly from: Int32Array } {
  const n = view.centres.shape[0]
  const broken = new Uint8Array(n)
  const [gradientSteps, queries] = [new Int32Array(n), new Int32Array(n)]
  const from = new Int32Array(n).fill(-1)
  const total = members.reduce((sum, { attack }) => sum + attack.passes, 0)
  let done = 0
  let best = noChampion(view.centres)
  members.forEach(({ attack, key }, index) => {
    const rows = placesOfZero(broken)
    const before = done
    done += attack.passes
    if (rows.length === 0) return
    const onProgress = (step: number, steps: number) =>
      options.onProgress?.(before + (attack.passes * step) / steps, total)
    best = advanced(best, holder => {
      const own = { ...optionsFor(attack.spec, options), key, onProgress }
      const part = partOf(view.centres, view.labels, own, rows)
      const found = attack.run(model, part.x, part.y, part.options)
      const objective = objectiveOf(viewOf(model, part.x, part.y, part.options))
      const success = found.success.dataSync()
      const losses: tf.Tensor1D = tf.where(
        found.success,
        tf.fill([rows.length], Number.POSITIVE_INFINITY) as tf.Tensor1D,
        objective.value(found.outputs),
      )
      const held = { points: takeRows(holder.points, rows), losses: takeRows(holder.losses, rows) }
      const gains = tf.greater(losses, held.losses).dataSync()
      rows.forEach((row, k) => {
        gradientSteps[row]! += found.gradientSteps[k]!
        queries[row]! += found.queries[k]! / (model.queriesPerPass ?? 1)
        if (gains[k] === 1) from[row] = index
        broken[row] = success[k]!
      })
      const kept = better(held, { points: found.point, losses })
      return {
        points: putRows(holder.points, rows, kept.points),
        losses: putRows(holder.losses, rows, kept.losses),
      }
    })
  })
  return { raw: best.points, gradientSteps, queries, from }
}
