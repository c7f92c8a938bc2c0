import type { Dataset, PerturbationSet } from '@saddle/core'
import type { AttackSpec } from '../from-spec.js'
import type { AttackWarning } from './warning.js'

/**
 * What the settings of an attack cannot do: steps that together are shorter than the radius, a DLR loss or targets that
 * a model of so many outputs does not have. The attacks of an ensemble are looked at one by one.
 */
export function settingWarnings(spec: AttackSpec, outputs: number): AttackWarning[] {
  if (spec.kind === 'worst-case')
    return spec.attacks.flatMap(attack => settingWarnings(attack, outputs))
  if (spec.kind === 'restarted') return settingWarnings(spec.attack, outputs)
  return [...shortTravel(spec), ...fewClasses(spec, outputs)]
}

function shortTravel(spec: AttackSpec): AttackWarning[] {
  if (spec.kind !== 'pgd' && spec.kind !== 'bim' && spec.kind !== 'mim') return []
  const { kind, steps, stepSize } = spec
  const travel = steps * stepSize
  // Ten steps of 0.1 are one radius, though their product is rounded.
  if (travel >= 1 - 1e-9) return []
  const message = `The ${steps} steps of ${kind} travel ${Number(travel.toPrecision(3))} radii in all: from x they cannot reach the border of the set. Take more or longer steps.`
  return [{ code: 'short-travel', message, fields: { attack: kind, travel } }]
}

function fewClasses(spec: AttackSpec, outputs: number): AttackWarning[] {
  const classes = Math.max(2, outputs)
  const fields = { attack: spec.kind, classes }
  const needed = spec.kind === 'apgd-targeted' ? 4 : 3
  const ratio = 'loss' in spec && spec.loss === 'dlr' && classes < needed
  const targets = spec.kind === 'apgd-targeted' && spec.targets > classes - 1
  return [
    ...(ratio
      ? [
          {
            code: 'few-classes' as const,
            message: `The DLR loss of ${spec.kind} needs ${needed} classes, and the model has ${classes}: what is ascended is ${classes === 2 ? 'the margin' : 'the difference of two scores over z₁ − z₃'}.`,
            fields,
          },
        ]
      : []),
    ...(targets
      ? [
          {
            code: 'few-classes' as const,
            message: `${spec.kind} asks for ${spec.targets} targets, and the model has ${classes - 1} wrong classes: those are all tried.`,
            fields,
          },
        ]
      : []),
  ]
}

/** What an attack found in one run over a set of examples. */
export interface Outcome {
  readonly name: string
  /** [n]: 1 where it succeeded. */
  readonly success: ArrayLike<number>
  /** [n]: gradient steps; all 0 for an attack that sees no gradients. */
  readonly gradientSteps: ArrayLike<number>
}

/** By how much an attack without gradients may be ahead: 0.2 points, as AutoAttack allows Square. */
const AHEAD = 0.002

/**
 * Masked gradients: the best attack without gradients breaks more examples than the best with them. All on the same
 * examples; attacks of a cascade, which see what others left, say nothing here.
 */
export function maskingWarnings(outcomes: readonly Outcome[]): AttackWarning[] {
  const sees = ({ gradientSteps }: Outcome) => Array.from(gradientSteps).some(steps => steps > 0)
  const [by, without] = [outcomes.filter(sees), outcomes.filter(outcome => !sees(outcome))]
  if (by.length === 0 || without.length === 0) return []
  const [white, black] = [by, without].map(list =>
    list.reduce((a, b) => (share(b) > share(a) ? b : a)),
  )
  const lead = share(black!) - share(white!)
  if (lead <= AHEAD) return []
  const message = `${black!.name}, which sees no gradients, breaks ${(100 * lead).toFixed(1)} points more examples than ${white!.name}: the gradients are masked, or that attack is too weak. Robust accuracy is below what either shows.`
  return [
    {
      code: 'masked-gradients',
      message,
      fields: { attack: black!.name, beaten: white!.name, lead },
    },
  ]
}

function share({ success }: Outcome): number {
  return Array.from(success).reduce((sum, s) => sum + s, 0) / success.length
}

/** Definition 3.1: sets of differently labelled examples meet, so that no classifier is robust on all of them. */
export function compatibilityWarnings(set: PerturbationSet, data: Dataset): AttackWarning[] {
  const { compatible, firstPair, largestRadius } = set.compatibility(data)
  if (compatible || firstPair === null) return []
  const [a, b] = firstPair
  const message = `At radius ${set.radius} the sets of examples ${a} and ${b} meet, and their labels differ: no classifier is robust on both. Radii below ${Number(largestRadius.toPrecision(6))} are compatible.`
  return [{ code: 'incompatible', message, fields: { radius: set.radius, largestRadius } }]
}
