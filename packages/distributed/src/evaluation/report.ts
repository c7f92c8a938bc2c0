import type { AttackSpec, AttackWarning } from '@saddle/attacks'
import type { SetSpec } from '@saddle/core'
import type { CriterionSpec } from './criterion.js'
import type { Quantiles } from './statistics.js'

/** evaluation.json: what an evaluation came to. Equal evaluations differ in seconds and workers only. */
export interface EvaluationReport {
  readonly model: {
    readonly source: string
    readonly description: string
    readonly sha256: string
    readonly inputs: number
    readonly outputs: number
  }
  readonly data: {
    readonly source: string
    readonly sha256: string
    /** Examples evaluated, of so many. */
    readonly examples: number
    readonly of: number
    readonly dimension: number
  }
  readonly set: SetSpec['kind']
  readonly radii: readonly number[]
  readonly loss: string
  readonly criterion: CriterionSpec
  readonly seed: number
  /** The points that attacks began at, where the user gave some. */
  readonly startingPoints?: { readonly source: string; readonly sha256: string }
  readonly clean: {
    readonly accuracy: number
    readonly loss: number
    /** Share of examples that meet the criterion without an attack: no attack is needed for them. */
    readonly adversarial: number
  }
  readonly attacks: readonly AttackReport[]
  /** The share of examples that every attack left standing, by radius: it never grows. */
  readonly worstCase: readonly { readonly radius: number; readonly robustAccuracy: number }[]
  readonly warnings: readonly AttackWarning[]
  /** Remarks on what was read. */
  readonly remarks: readonly string[]
  readonly backend: string
  readonly workers: number
  /** Of all workers together. */
  readonly seconds: number
  readonly saddle: string
  readonly node: string
}

export interface AttackReport {
  /** As it would be typed: `pgd:steps=40`. */
  readonly name: string
  readonly attack: AttackSpec
  readonly aim: 'fixed-radius' | 'minimum-norm'
  readonly radii: readonly RadiusReport[]
  /** Of a minimum-norm attack: distances of the points it found, whatever the radii; null for others, or if none was found. */
  readonly norms: Quantiles | null
  readonly seconds: number
}

/** One attack at one radius; what an example took is counted over this radius and the smaller ones. */
export interface RadiusReport {
  readonly radius: number
  /** Share of examples that neither the clean point nor this attack, here or at a smaller radius, does for. */
  readonly robustAccuracy: number
  /** Of the loss at the attacked points. */
  readonly meanLoss: number
  /** Of the points that succeed. */
  readonly distance: Quantiles | null
  readonly meanQueries: number
  readonly maxQueries: number
  readonly meanGradientSteps: number
  /** Of the gap that first-order stationarity leaves; null where the attack does not report it. */
  readonly fosc: Quantiles | null
}
