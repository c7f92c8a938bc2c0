import { type AttackSpec, attackFrom } from '@saddle/attacks'
import { joinClean, joinSearches, type Searched } from './collected.js'
import type { CriterionSpec } from './criterion.js'
import { labelsOf } from './labels.js'
import type { CleanReply, SearchReply } from './messages.js'
import type { AttackReport, EvaluationReport, RadiusReport } from './report.js'
import { mean, quantiles } from './statistics.js'

/** Everything that was found, by example, and what it comes to. */
export interface Findings {
  readonly clean: CleanReply
  /** [n]: 1 where the clean point meets the criterion already. */
  readonly fallen: Int32Array
  readonly searched: readonly Searched[]
  /** By radius: 1 where the example fell to nothing. */
  readonly standing: readonly Int32Array[]
}

/** What was asked. */
export interface Question {
  readonly examples: number
  readonly radii: readonly number[]
  readonly attacks: readonly AttackSpec[]
  readonly criterion: CriterionSpec
  /** By example. */
  readonly targets: ArrayLike<number>
}

export function gatherFindings(
  { examples, radii, criterion, targets }: Question,
  cleanBlocks: ReadonlyMap<number, CleanReply>,
  searchBlocks: readonly ReadonlyMap<number, SearchReply>[],
): Findings {
  const clean = joinClean(cleanBlocks, examples)
  const fallen = Int32Array.from(clean.correct, (correct, i) =>
    Number(isFallen(criterion, clean, targets, i, correct)),
  )
  const searched = searchBlocks.map(blocks => joinSearches(blocks, examples, radii.length))
  const standing = radii.map((_, r) =>
    fallen.map((down, i) =>
      Number(down === 0 && searched.every(attack => attack.radii[r]!.success[i] === 0)),
    ),
  )
  return { clean, fallen, searched, standing }
}

function isFallen(
  criterion: CriterionSpec,
  { predictions, losses }: CleanReply,
  targets: ArrayLike<number>,
  i: number,
  correct: number,
): boolean {
  switch (criterion.kind) {
    case 'misclassification':
      return correct === 0
    case 'targeted':
      return predictions[i] === targets[i]
    case 'loss-above':
      return !(losses[i]! <= criterion.threshold)
  }
}

/** The figures of a report. */
export function figuresOf(
  { radii, attacks }: Question,
  { clean, fallen, searched, standing }: Findings,
): Pick<EvaluationReport, 'clean' | 'attacks' | 'worstCase'> {
  const names = labelsOf(attacks)
  return {
    clean: {
      accuracy: mean(clean.correct),
      loss: mean(clean.losses),
      adversarial: mean(fallen),
    },
    attacks: attacks.map((attack, a): AttackReport => {
      const { aim } = attackFrom(attack)
      const { norms, seconds } = searched[a]!
      return {
        name: names[a]!,
        attack,
        aim,
        radii: radii.map((radius, r) => atRadius(radius, r, fallen, searched[a]!)),
        norms: aim === 'minimum-norm' ? quantiles(norms) : null,
        seconds,
      }
    }),
    worstCase: radii.map((radius, r) => ({ radius, robustAccuracy: mean(standing[r]!) })),
  }
}

function atRadius(
  radius: number,
  r: number,
  fallen: Int32Array,
  { radii }: Searched,
): RadiusReport {
  const { success, losses, distances, fosc } = radii[r]!
  const upTo = (key: 'queries' | 'gradientSteps') =>
    fallen.map((_, i) => radii.slice(0, r + 1).reduce((sum, at) => sum + at[key][i]!, 0))
  const queries = upTo('queries')
  return {
    radius,
    robustAccuracy: mean(fallen.map((down, i) => Number(down === 0 && success[i] === 0))),
    meanLoss: mean(losses),
    distance: quantiles(distances.filter((_, i) => success[i] === 1)),
    meanQueries: mean(queries),
    maxQueries: queries.reduce((a, b) => Math.max(a, b), 0),
    meanGradientSteps: mean(upTo('gradientSteps')),
    fosc: quantiles(fosc),
  }
}
