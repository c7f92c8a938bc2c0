import * as tf from '@tensorflow/tfjs-core'
import { assertShape } from '../errors.js'
import type { Loss } from '../losses/loss.js'
import type { RegretTerms } from './regret.js'
import type { StepComparison } from './sums.js'

/** What a batch's outputs at W_t and at the comparator W† tell, as sums over its examples in float64. */
export interface OutputComparison {
  readonly examples: number
  /** Σ_i ℓ(f(W_t, x'_i), y_i) − ℓ(f(W†, x'_i), y_i). */
  readonly gapSum: number
  /** Σ_i ⟨ℓ'_i, f(W†, x'_i) − f(W_t, x'_i)⟩, ℓ' taken at W_t. */
  readonly slopeSum: number
}

/**
 * Compares the network at W_t with the comparator on the same attacked points.
 *
 * @param outputs f(W_t, x'): [n, outputs]; @param comparatorOutputs f(W†, x'): [n, outputs]; neither is disposed of.
 */
export function compareOutputs(
  loss: Loss,
  outputs: tf.Tensor2D,
  comparatorOutputs: tf.Tensor2D,
  labels: tf.Tensor1D,
): OutputComparison {
  assertShape('outputs of the comparator', comparatorOutputs.shape, outputs.shape)
  return tf.tidy(() => {
    const values = loss.value(outputs, labels).dataSync<'float32'>()
    const comparatorValues = loss.value(comparatorOutputs, labels).dataSync<'float32'>()
    const slopes = loss.derivative(outputs, labels).dataSync<'float32'>()
    const from = outputs.dataSync<'float32'>()
    const to = comparatorOutputs.dataSync<'float32'>()
    let gapSum = 0
    let slopeSum = 0
    for (let i = 0; i < values.length; i++) gapSum += values[i]! - comparatorValues[i]!
    for (let i = 0; i < slopes.length; i++) slopeSum += slopes[i]! * (to[i]! - from[i]!)
    return { examples: values.length, gapSum, slopeSum }
  })
}

/** Sums of shards, added in the order given: callers give them in example order. */
export function sumOutputComparisons(parts: readonly OutputComparison[]): OutputComparison {
  const sum = { examples: 0, gapSum: 0, slopeSum: 0 }
  for (const { examples, gapSum, slopeSum } of parts) {
    sum.examples += examples
    sum.gapSum += gapSum
    sum.slopeSum += slopeSum
  }
  return sum
}

/**
 * The monitor's terms of a step. The linearisation errors need no gradient of a single example, because
 * (1/n) Σ ℓ'_i ⟨∇f(W_t, x'_i), W† − W_t⟩ = −⟨g_t, W_t − W†⟩:
 *
 *   (1/n) Σ ℓ'_i e_i = (1/n) Σ ⟨ℓ'_i, f(W†, x'_i) − f(W_t, x'_i)⟩ + ⟨g_t, W_t − W†⟩
 */
export function regretTerms(outputs: OutputComparison, step: StepComparison): RegretTerms {
  const { examples, gapSum, slopeSum } = outputs
  return {
    gap: gapSum / examples,
    inner: step.inner,
    linearisation: slopeSum / examples + step.inner,
    distanceSquared: step.distanceSquared,
    proposedSquared: step.proposedSquared,
    projectedSquared: step.projectedSquared,
  }
}
