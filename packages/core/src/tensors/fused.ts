import type * as tf from '@tensorflow/tfjs-core'
import type { SetSpec } from '../perturbation/set.js'
import { currentBackend } from './backends.js'

/**
 * What the passes of a network and the steps of an attack consist of beside products, in one sweep over memory each:
 * for backends that start every operation anew and pay for each. Where there are none, TensorFlow.js computes the same
 * operation by operation, and backends whose tensors are arrays by loops (arrays.ts).
 *
 * Tensors in and out are those of TensorFlow.js; results belong to the caller. Where it is said so a tensor given is
 * written over, which only whoever made it may allow.
 */
export interface FusedKernels {
  /** True if it knows σ, by its name in configurations. */
  knows(activation: string): boolean
  /** σ(Z) − σ(Y), or σ(Z) without Y: [rows, n]. */
  values(activation: string, z: readonly tf.Tensor2D[]): tf.Tensor2D
  /** The same, and a ⊙ σ'(·) is written over each of Z and Y. a: [rows, 1]. */
  valuesAndSignals(activation: string, z: readonly tf.Tensor2D[], a: tf.Tensor2D): tf.Tensor2D
  /** factor · (a Cᵀ) ⊙ σ'(Z), written over Z. a: [rows, outputs], C: [n, outputs]. */
  signals(
    activation: string,
    z: tf.Tensor2D,
    a: tf.Tensor2D,
    cotangent: tf.Tensor2D,
    factor: number,
  ): void
  /** P ⊙ 1{X > 0}, written over P; both [rows, n]. */
  mask(p: tf.Tensor2D, x: tf.Tensor2D): void
  /** `PerturbationSet.project`; null for a set that it has no kernels for. */
  project(set: SetSpec, centres: tf.Tensor2D, points: tf.Tensor2D): tf.Tensor2D | null
  /** `PerturbationSet.advance`; likewise. */
  advance(
    set: SetSpec,
    centres: tf.Tensor2D,
    points: tf.Tensor2D,
    gradient: tf.Tensor2D,
    step: number,
  ): tf.Tensor2D | null
  /** `pickRows`, for n flags. */
  pickRows(condition: tf.Tensor, a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D
  /** `rowsAbove`. */
  rowsAbove(x: tf.Tensor2D, least: tf.Tensor2D): tf.Tensor2D
}

/** Those of the backend that computes in this thread; null if it has none. */
export function fusedKernels(): FusedKernels | null {
  return currentBackend().fused?.() ?? null
}
