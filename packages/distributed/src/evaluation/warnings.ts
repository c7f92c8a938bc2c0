import {
  type AttackWarning,
  compatibilityWarnings,
  flagWarnings,
  maskingWarnings,
  scopeWarnings,
  settingWarnings,
} from '@saddle/attacks'
import { labelsOf } from './labels.js'
import type { CleanReply } from './messages.js'
import type { AttackReport } from './report.js'
import type { Resolved } from './resolve.js'

/** Reasons to doubt the figures of an evaluation: of the model, of the attacks' settings, of what they say of each other. */
export function evaluationWarnings(
  { job, subject, compatibility }: Pick<Resolved, 'job' | 'subject' | 'compatibility'>,
  clean: CleanReply,
  reports: readonly AttackReport[],
): AttackWarning[] {
  const { attacks, radii, order, criterion } = job
  const names = labelsOf(attacks)
  return [
    ...flagWarnings(clean),
    ...attacks.flatMap((attack, a) => settingWarnings(attack, subject.outputs, names[a])),
    ...maskedAt(reports, radii),
    ...(criterion.kind === 'misclassification' ? scopeWarnings(attacks) : []),
    ...compatibilityWarnings(compatibility, radii, example => order[example]!),
  ]
}

/** Radius by radius. Clean errors (identity) are no attack. */
function maskedAt(reports: readonly AttackReport[], radii: readonly number[]): AttackWarning[] {
  const searching = reports.filter(({ attack }) => attack.kind !== 'identity')
  return radii.flatMap((radius, r) => {
    const outcomes = searching.map(({ name, radii: at }) => ({
      name,
      broken: 1 - at[r]!.robustAccuracy,
      gradientSteps: Math.max(...at.map(({ meanGradientSteps }) => meanGradientSteps)),
    }))
    return maskingWarnings(outcomes, radius)
  })
}
