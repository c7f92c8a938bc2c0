import * as tf from '@tensorflow/tfjs-core'
import type { View } from '../view.js'
import { crossEntropy } from './cross-entropy.js'
import { divergenceFrom } from './divergence.js'
import { dlr } from './dlr.js'
import { margin } from './margin.js'

/** What an attack ascends, from outputs [n, outputs]. Call inside `tf.tidy`. */
export interface Objective {
  /** [n]: of two points the one with the larger value is the better one. */
  value(outputs: tf.Tensor2D): tf.Tensor1D
  /** The cotangent that a gradient step follows, [n, outputs]: ∂(value)/∂f, or ±1 for a side of f. */
  derivative(outputs: tf.Tensor2D): tf.Tensor2D
}

/**
 * A loss made for attacking, apart from the one that trained the model: larger is more adversarial, with a target or
 * without. Works for an output a class and for one output, read as the two scores (−f/2, f/2) of the labels −1 and 1.
 */
export interface AttackLoss {
  readonly name: 'cross-entropy' | 'margin' | 'dlr'
  /** [n]. Labels and targets [n] are classes 0..c − 1, or ±1. */
  value(outputs: tf.Tensor2D, labels: tf.Tensor1D, targets: Float32Array | null): tf.Tensor1D
  /** ∂(value)/∂f: [n, outputs]. */
  derivative(outputs: tf.Tensor2D, labels: tf.Tensor1D, targets: Float32Array | null): tf.Tensor2D
}

/** `model` is the loss that `AttackOptions` give. */
export type AttackLossName = 'model' | AttackLoss['name']

const LOSSES: Readonly<Record<AttackLoss['name'], AttackLoss>> = {
  'cross-entropy': crossEntropy,
  margin,
  dlr,
}

/** The loss of this name. */
export function attackLoss(name: AttackLoss['name']): AttackLoss {
  return LOSSES[name]
}

/**
 * The objective of an attack that names a loss; of one that names none, ℓ(f, y) of the model, or −ℓ(f, target) if the
 * criterion has targets. ℓ stalls where ∂ℓ/∂f = 0: for two-sided losses at f = y. `divergence` looks at no label: it is
 * KL(p(x) ‖ p(x')), and costs a forward pass at the centres.
 */
export function objectiveOf(view: View, name: AttackLossName | 'divergence' = 'model'): Objective {
  const { labels, targets } = view
  if (name === 'model') return modelObjective(view)
  if (name === 'divergence') return divergenceFrom(view.outputs(view.centres))
  const loss = attackLoss(name)
  return {
    value: outputs => loss.value(outputs, labels, targets),
    derivative: outputs => loss.derivative(outputs, labels, targets),
  }
}

function modelObjective({ loss, labels, targets }: View): Objective {
  if (targets === null)
    return {
      value: outputs => loss.value(outputs, labels),
      derivative: outputs => loss.derivative(outputs, labels),
    }
  const toTarget =
    (part: (outputs: tf.Tensor2D, wanted: tf.Tensor1D) => tf.Tensor) => (outputs: tf.Tensor2D) =>
      tf.tidy(() => tf.neg(part(outputs, tf.tensor1d(targets))))
  return {
    value: toTarget(loss.value) as Objective['value'],
    derivative: toTarget(loss.derivative) as Objective['derivative'],
  }
}
