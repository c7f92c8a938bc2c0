import type { AttackSpec, ModelFlags } from '@saddle/attacks'
import type { Dataset, Mlp, NetworkSpec, Parameters, SetSpec } from '@saddle/core'
import type { PoolSetup } from '../pool/messages.js'
import type { CriterionSpec } from './criterion.js'

/** What a worker of an evaluation needs besides its tasks. */
export interface EvaluationSetup extends PoolSetup {
  readonly evaluation: EvaluationJob
}

/** A model, examples, and what they are attacked with. Arrays are shared. */
export interface EvaluationJob {
  readonly model: ModelSetup
  readonly data: Dataset
  /** Indices into the data of the examples that are evaluated, ascending: tasks name places in this list. */
  readonly order: Int32Array
  readonly set: SetSpec['kind']
  /** Ascending. */
  readonly radii: readonly number[]
  readonly attacks: readonly AttackSpec[]
  readonly loss: string
  readonly criterion: CriterionSpec
  /** By place in `order`: the label that each example should be given; filled in before the first search. */
  readonly targets: Float32Array
  readonly seed: number
  /** By place in `order`, d numbers each: adversarial points that attacks begin at; empty where none were given. */
  readonly startingPoints: Float32Array
  /** Whether replies hold the points. */
  readonly points: boolean
}

export type ModelSetup =
  | { readonly kind: 'network'; readonly spec: NetworkSpec; readonly parameters: Parameters }
  | { readonly kind: 'mlp'; readonly mlp: Mlp }

/** The model at examples order[start..stop), not attacked. */
export interface CleanTask {
  readonly kind: 'clean'
  readonly start: number
  readonly stop: number
}

/** Attack number `attack` of the list on examples order[start..stop), at all radii. */
export interface SearchTask {
  readonly kind: 'search'
  readonly attack: number
  readonly start: number
  readonly stop: number
}

/** By example. Flags are 0 or 1. */
export interface CleanReply extends ModelFlags {
  readonly losses: Float32Array
  /** The class of the largest output; −1 or +1 of one output. */
  readonly predictions: Int32Array
  /** The class of the smallest output; the other sign of one output. */
  readonly leastLikely: Int32Array
  readonly correct: Int32Array
}

/** By radius, then by example: index radius · (stop − start) + place. */
export interface SearchReply {
  readonly success: Int32Array
  readonly predictions: Int32Array
  readonly losses: Float32Array
  readonly distances: Float32Array
  /** NaN where the attack does not report it. */
  readonly fosc: Float32Array
  readonly gradientSteps: Int32Array
  readonly queries: Int32Array
  /** Which of an ensemble's attacks the point is from; −1 for other attacks. */
  readonly from: Int32Array
  /** By example, of minimum-norm attacks: how far the point found is, whatever the radii; NaN if none was found. */
  readonly norms: Float32Array
  /** [radius, example, d] if points were asked for, else empty. */
  readonly points: Float32Array
  /** That this took. */
  readonly seconds: number
}
