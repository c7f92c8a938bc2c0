import * as tf from '@tensorflow/tfjs-core'
import type { Attack, Attackable, AttackOptions, AttackResult } from './attack.js'
import { objectiveOf } from './losses/attack-loss.js'
import { checkStartingPoints } from './search/starting-points.js'
import { tidied } from './tidied.js'
import { type View, viewOf } from './view.js'

/** What a search hands to `attackOf`. */
export interface Found {
  /** The point it ended with, [n, d]: for a minimum-norm attack, x itself where it found none. */
  readonly raw: tf.Tensor2D
  /** Of every example, or [n] where examples differ. */
  readonly gradientSteps: number | Int32Array
  /** Passes that it took, those of its gradient steps included; of every example, or [n]. */
  readonly queries: number | Int32Array
  /** [n]: of an ensemble, the attack that `raw` is from. */
  readonly from?: Int32Array
}

/** How an attack looks for a point, given what it sees of the model. Called inside `tf.tidy`. */
export type Explore = (view: View, model: Attackable, options: AttackOptions) => Found

/** The attack that explores in this way: one search, with and without the closing passes. */
export function attackOf(
  {
    spec,
    aim = 'fixed-radius',
    passes,
  }: Pick<Attack, 'spec' | 'passes'> & Partial<Pick<Attack, 'aim'>>,
  explore: Explore,
): Attack {
  return {
    spec,
    aim,
    passes,
    search(model, x, y, options) {
      let found: Found | undefined
      const { point } = tidied(() => {
        const view = viewOf(model, x, y, options)
        checkStartingPoints(spec, view.set.spec.kind, x.shape, options.startingPoints)
        found = explore(view, model, options)
        return { point: view.set.project(x, found.raw) }
      })
      return { point, ...countsOf(found!, x.shape[0], model.queriesPerPass, 0) }
    },
    run(model, x, y, options) {
      let found: Found | undefined
      const report = tidied(() => {
        const view = viewOf(model, x, y, options)
        checkStartingPoints(spec, view.set.spec.kind, x.shape, options.startingPoints)
        found = explore(view, model, options)
        return judge(view, found.raw, spec.fosc)
      })
      const counts = countsOf(found!, x.shape[0], model.queriesPerPass, 1)
      return { ...report, ...counts, from: found!.from ?? null }
    },
  }
}

/**
 * The end of every `run`: `raw` is projected onto B(x), and all that is reported comes from one fresh pass at that
 * very point, so that no search can lie about its radius or its success. The pass counts as a query; if FOSC is
 * asked for, it is a gradient pass, which is no search step and not counted as one. Call inside `tf.tidy`.
 *
 * @param point in B(x), where that is not the projection of `raw`.
 */
export function judge(
  view: View,
  raw: tf.Tensor2D,
  fosc = false,
  point = view.set.project(view.centres, raw),
): Omit<AttackResult, 'gradientSteps' | 'queries' | 'from'> {
  const { set, centres, labels, loss, criterion } = view
  const pass = fosc
    ? view.gradient(point, objectiveOf(view).derivative)
    : { outputs: view.outputs(point), gradient: null }
  return {
    raw,
    point,
    outputs: pass.outputs,
    success: criterion.isAdversarial(pass.outputs, labels),
    distance: set.distance(centres, point),
    loss: loss.value(pass.outputs, labels),
    fosc: pass.gradient === null ? null : stationarityGap(view, point, pass.gradient),
  }
}

/** Counts [n] of a search, with the passes that follow it. */
function countsOf(
  { gradientSteps, queries }: Found,
  n: number,
  perPass = 1,
  more: number,
): { gradientSteps: Int32Array; queries: Int32Array } {
  const each = (count: number | Int32Array) =>
    typeof count === 'number' ? new Int32Array(n).fill(count) : count
  return {
    gradientSteps: each(gradientSteps),
    queries: each(queries).map(count => (count + more) * perPass),
  }
}

/**
 * FOSC (Wang et al. 2019), the first-order stationarity gap at a point of B(x):
 *
 *   max over x' in B(x) of ⟨x' − point, g⟩,   g = ∇ℓ(point)
 *
 * [n], in the units of the loss; 0 where no feasible direction ascends. It is ≥ 0 because `point` competes, too:
 * that also covers float32 rounding, and the one set whose maximiser may be short of the optimum.
 */
export function stationarityGap(
  view: View,
  point: tf.Tensor2D,
  gradient: tf.Tensor2D,
): tf.Tensor1D {
  const best = view.set.maximiseLinear(view.centres, gradient)
  const gap: tf.Tensor1D = tf.sum(tf.mul(tf.sub(best, point), gradient), 1)
  return tf.maximum(gap, 0)
}
