import type { AttackSpec } from '@saddle/attacks'
import type { Compatibility } from '@saddle/core'
import type { CriterionSpec } from './criterion.js'
import { labelsOf } from './labels.js'
import type { CleanReply } from './messages.js'
import type { AttackReport } from './report.js'

/** A reason to doubt that robust accuracy is as high as it looks, or that the figures mean what they seem to. */
export interface EvaluationWarning {
  readonly code:
    | 'not-finite'
    | 'zero-gradient'
    | 'probabilities'
    | 'short-travel'
    | 'beaten-without-gradients'
    | 'incompatible'
    | 'one-attack'
  readonly text: string
}

/** A gap by which AutoAttack's authors take query-only success for masking: 0.2 points. */
const GAP = 0.002

/** What can be said of the model from its clean pass. */
export function cleanWarnings(clean: CleanReply, loss: string): EvaluationWarning[] {
  const n = clean.losses.length
  const flat = count(clean.flat)
  const wild = clean.losses.filter(value => !Number.isFinite(value)).length
  return [
    ...(wild === 0
      ? []
      : [
          warning(
            'not-finite',
            `The loss of ${wild} of ${n} examples is not finite: the model overflows, or its weights are damaged.`,
          ),
        ]),
    ...(flat === 0
      ? []
      : [
          warning(
            'zero-gradient',
            `The gradient of ${loss} is exactly 0 at ${flat} of ${n} examples: an attack that ascends it from there stands still. Try ` +
              'an attack with a loss of its own (margin, dlr), or one that needs no gradients.',
          ),
        ]),
    ...(count(clean.probabilities) < n
      ? []
      : [
          warning(
            'probabilities',
            'The outputs of all examples are probabilities (not negative, sum 1). Attacks expect logits: softmax hides the ' +
              'gradient where the model is sure. Leave the softmax out.',
          ),
        ]),
  ]
}

/** Attacks whose steps cannot reach the border of the set from its centre. */
export function travelWarnings(attacks: readonly AttackSpec[]): EvaluationWarning[] {
  const names = labelsOf(attacks)
  return attacks.flatMap((attack, a) => {
    const { steps, stepSize } = attack as { steps?: unknown; stepSize?: unknown }
    if (typeof steps !== 'number' || typeof stepSize !== 'number') return []
    const travel = steps * stepSize
    if (travel >= 1) return []
    return [
      warning(
        'short-travel',
        `${names[a]} travels ${steps} × ${stepSize} = ${Number(travel.toPrecision(3))} radii at most, less than one: it cannot cross ` +
          'the set. Raise steps or stepSize.',
      ),
    ]
  })
}

/** What the attacks say of each other. Random points (identity, uniform) are no attack by themselves. */
export function comparisonWarnings(
  attacks: readonly AttackReport[],
  criterion: CriterionSpec,
): EvaluationWarning[] {
  const searching = attacks.filter(({ attack }) => attack.kind !== 'identity')
  const byGradients = searching.filter(({ radii }) => radii.some(r => r.meanGradientSteps > 0))
  const without = searching.filter(({ radii }) => radii.every(r => r.meanGradientSteps === 0))
  const beaten = (attacks[0]?.radii ?? []).flatMap(({ radius }, r) => {
    const best = (list: readonly AttackReport[]) =>
      list.reduce(
        (a, b) => (b.radii[r]!.robustAccuracy < a.radii[r]!.robustAccuracy ? b : a),
        list[0]!,
      )
    if (byGradients.length === 0 || without.length === 0) return []
    const [white, black] = [best(byGradients), best(without)]
    const gap = white.radii[r]!.robustAccuracy - black.radii[r]!.robustAccuracy
    if (gap <= GAP) return []
    return [
      warning(
        'beaten-without-gradients',
        `At radius ${radius} ${black.name}, which sees no gradients, leaves ${points(gap)} points fewer standing than ${white.name}: ` +
          'the gradients are masked, or the gradient attack is too weak. Its figure is not the robustness of the model.',
      ),
    ]
  })
  const single =
    criterion.kind === 'misclassification' &&
    attacks.length > 0 &&
    attacks.every(({ attack }) => ['identity', 'uniform', 'fgsm'].includes(attack.kind))
  return [
    ...beaten,
    ...(single
      ? [
          warning(
            'one-attack',
            'Only attacks of one step or none were tried; iterated ones (pgd) find far more. Robust accuracy is an upper bound of the truth.',
          ),
        ]
      : []),
  ]
}

/** Radii at which sets of differently labelled examples meet: no classifier is robust on both. */
export function compatibilityWarnings(
  { largestRadius, firstPair }: Compatibility,
  radii: readonly number[],
  order: Int32Array,
): EvaluationWarning[] {
  const beyond = radii.filter(radius => radius >= largestRadius)
  if (beyond.length === 0) return []
  const pair =
    firstPair === null
      ? ''
      : `, such as those of examples ${order[firstPair[0]]} and ${order[firstPair[1]]}`
  return [
    warning(
      'incompatible',
      `At radius ${beyond.join(', ')} sets of differently labelled examples meet${pair}: no classifier is robust on both. Radii below ` +
        `${Number(largestRadius.toPrecision(6))} are compatible with these examples (Definition 3.1).`,
    ),
  ]
}

function warning(code: EvaluationWarning['code'], text: string): EvaluationWarning {
  return { code, text }
}

function count(flags: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < flags.length; i++) sum += flags[i]!
  return sum
}

/** A share as points of a percent. */
function points(share: number): string {
  return (100 * share).toFixed(1)
}
