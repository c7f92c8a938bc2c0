import { misclassified } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attack, Attackable, AttackOptions, AttackResult, AttackSpec } from './attack.js'
import { tidied } from './tidied.js'
import { type View, viewOf } from './view.js'

/** What a search hands to `finish`. */
export interface Found {
  /** The point it ended with, [n, d]. */
  readonly raw: tf.Tensor2D
  readonly gradientSteps: number
  /** Forward evaluations an example that it took, those of its gradient steps included. */
  readonly queries: number
}

/** How an attack looks for a point, given what it sees of the model. */
export type Explore = (view: View, model: Attackable, options: AttackOptions) => Found

/** The attack that explores in this way: one search, with and without the closing passes. */
export function attackOf(spec: AttackSpec, explore: Explore): Attack {
  return {
    spec,
    search: (model, x, y, options) =>
      tidied(() => {
        const view = viewOf(model, x, y, options)
        const { raw, gradientSteps, queries } = explore(view, model, options)
        return { point: view.set.project(x, raw), gradientSteps, queries }
      }),
    run: (model, x, y, options) =>
      tidied(() => {
        const view = viewOf(model, x, y, options)
        return finish(view, explore(view, model, options), spec.fosc)
      }),
  }
}

/**
 * The end of every `run`: `raw` is projected onto B(x), and all that is reported comes from one fresh pass at that
 * very point, so that no search can lie about its radius or its success. The pass counts as a query; if FOSC is
 * asked for, it is a gradient pass, which is no search step and not counted as one.
 */
function finish(view: View, found: Found, fosc = false): AttackResult {
  const { set, centres, labels, loss } = view
  const point = set.project(centres, found.raw)
  const lossCotangent = (outputs: tf.Tensor2D) => loss.derivative(outputs, labels)
  const pass = fosc
    ? view.gradient(point, lossCotangent)
    : { outputs: view.outputs(point), gradient: null }
  return {
    raw: found.raw,
    point,
    outputs: pass.outputs,
    success: misclassified(pass.outputs, labels, loss.outputs),
    distance: set.distance(centres, point),
    loss: view.losses(pass.outputs),
    fosc: pass.gradient === null ? null : stationarityGap(view, point, pass.gradient),
    gradientSteps: found.gradientSteps,
    queries: found.queries + 1,
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
function stationarityGap(view: View, point: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor1D {
  const best = view.set.maximiseLinear(view.centres, gradient)
  const gap: tf.Tensor1D = tf.sum(tf.mul(tf.sub(best, point), gradient), 1)
  return tf.maximum(gap, 0)
}
