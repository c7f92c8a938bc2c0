import { assertShape, type Loss, type PerturbationSet, SaddleError } from '@saddle/core'
import type * as tf from '@tensorflow/tfjs-core'
import type { Attackable, AttackOptions } from './attack.js'
import type { Criterion } from './criteria/criterion.js'
import { misclassification } from './criteria/misclassification.js'

/**
 * A model seen from the chart of a perturbation set, with the labels it is attacked for: what all searches share.
 * Points and gradients are [n, d] in chart coordinates. Call inside `tf.tidy`.
 */
export interface View {
  readonly set: PerturbationSet
  readonly loss: Loss
  readonly centres: tf.Tensor2D
  readonly labels: tf.Tensor1D
  readonly criterion: Criterion
  /** The labels that the criterion wants to see, [n], or null. */
  readonly targets: Float32Array | null
  /** f at chart points: [n, outputs]. */
  outputs(points: tf.Tensor2D): tf.Tensor2D
  /** f and the gradient of Σ_i ⟨cotangent_i, f(x_i)⟩ in chart coordinates, from one pass. */
  gradient(
    points: tf.Tensor2D,
    cotangent: (outputs: tf.Tensor2D) => tf.Tensor2D,
  ): { readonly outputs: tf.Tensor2D; readonly gradient: tf.Tensor2D }
}

/**
 * @throws SaddleError SHAPE if x, y and the key's examples differ in number, CONFIG if the loss is for another kind
 * of output than the model's.
 */
export function viewOf(
  model: Attackable,
  x: tf.Tensor2D,
  y: tf.Tensor1D,
  options: AttackOptions,
): View {
  const { set, loss, key, criterion = misclassification } = options
  assertShape('inputs to attack', x.shape, [-1, -1])
  assertShape('labels', y.shape, [x.shape[0]])
  assertShape("the key's examples", [key.examples.length], [x.shape[0]])
  if (criterion.targets !== null) assertShape('targets', [criterion.targets.length], [x.shape[0]])
  if ((loss.outputs === 'scalar') !== (model.outputs === 1))
    throw new SaddleError(
      'CONFIG',
      `Loss "${loss.name}" takes ${loss.outputs === 'scalar' ? 'one output' : 'an output a class'}, but the ` +
        `model has ${model.outputs}. Use ${loss.outputs === 'scalar' ? '"cross-entropy"' : 'a scalar loss such as "huber:1"'}.`,
      { loss: loss.name, outputs: model.outputs },
    )
  return {
    set,
    loss,
    centres: x,
    labels: y,
    criterion,
    targets: criterion.targets,
    outputs: points => model.forward(set.embed(points)),
    gradient: inChart(set, (x, cotangent) => model.inputGradient(x, cotangent)),
  }
}

/** The same view for the gradient steps of one search: by the model's `follow`, where it has one. */
export function following(view: View, model: Attackable): View {
  return viewThrough(view, model.follow?.())
}

/** The same view, its gradients by another pass. */
export function viewThrough(view: View, pass: Attackable['inputGradient'] | undefined): View {
  return pass === undefined ? view : { ...view, gradient: inChart(view.set, pass) }
}

function inChart(set: PerturbationSet, pass: Attackable['inputGradient']): View['gradient'] {
  return (points, cotangent) => {
    const { outputs, gradient } = pass(set.embed(points), cotangent)
    return { outputs, gradient: set.pullback(points, gradient) }
  }
}
