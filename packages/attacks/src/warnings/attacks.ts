import type { Compatibility } from '@saddle/core'
import type { AttackSpec } from '../from-spec.js'
import type { AttackWarning } from './warning.js'

/**
 * What the settings of an attack cannot do: steps that together are shorter than the radius, a DLR loss or targets that
 * a model of so many outputs does not have. The attacks of an ensemble are looked at one by one.
 *
 * @param name what the attack is called in messages.
 */
export function settingWarnings(
  spec: AttackSpec,
  outputs: number,
  name: string = spec.kind,
): AttackWarning[] {
  if (spec.kind === 'worst-case')
    return spec.attacks.flatMap(attack => settingWarnings(attack, outputs))
  if (spec.kind === 'restarted') return settingWarnings(spec.attack, outputs)
  return [...shortTravel(spec, name), ...fewClasses(spec, outputs, name)]
}

function shortTravel(spec: AttackSpec, name: string): AttackWarning[] {
  if (spec.kind !== 'pgd' && spec.kind !== 'bim' && spec.kind !== 'mim') return []
  const { kind, steps, stepSize } = spec
  const travel = steps * stepSize
  // Ten steps of 0.1 are one radius, though their product is rounded.
  if (travel >= 1 - 1e-9) return []
  const message = `${name} travels ${steps} × ${stepSize} = ${Number(travel.toPrecision(3))} radii at most, less than one: from x it cannot reach the border of the set. Raise steps or stepSize.`
  return [{ code: 'short-travel', message, fields: { attack: kind, travel } }]
}

function fewClasses(spec: AttackSpec, outputs: number, name: string): AttackWarning[] {
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
            message: `The DLR loss of ${name} needs ${needed} classes, and the model has ${classes}: what is ascended is ${classes === 2 ? 'the margin' : 'the difference of two scores over z₁ − z₃'}.`,
            fields,
          },
        ]
      : []),
    ...(targets
      ? [
          {
            code: 'few-classes' as const,
            message: `${name} asks for ${spec.targets} targets, and the model has ${classes - 1} wrong classes: those are all tried.`,
            fields,
          },
        ]
      : []),
  ]
}

/** What an attack came to on a set of examples. */
export interface Outcome {
  readonly name: string
  /** Share of the examples that it broke. */
  readonly broken: number
  /** Gradient steps an example; 0 for an attack that sees no gradients. */
  readonly gradientSteps: number
}

/** By how much an attack without gradients may be ahead: 0.2 points, as AutoAttack allows Square. */
const AHEAD = 0.002

/**
 * Masked gradients: the best attack without gradients breaks more examples than the best with them. All on the same
 * examples; attacks of a cascade, which see what others left, say nothing here.
 *
 * @param radius at which they were run, for the message.
 */
export function maskingWarnings(outcomes: readonly Outcome[], radius?: number): AttackWarning[] {
  const [by, without] = [
    outcomes.filter(({ gradientSteps }) => gradientSteps > 0),
    outcomes.filter(({ gradientSteps }) => gradientSteps === 0),
  ]
  if (by.length === 0 || without.length === 0) return []
  const [white, black] = [by, without].map(list =>
    list.reduce((a, b) => (b.broken > a.broken ? b : a)),
  )
  const lead = black!.broken - white!.broken
  if (lead <= AHEAD) return []
  const where = radius === undefined ? '' : ` at radius ${radius}`
  const message = `${black!.name}, which sees no gradients, breaks ${(100 * lead).toFixed(1)} points more examples than ${white!.name}${where}: the gradients are masked, or that attack is too weak. Robust accuracy is below what either shows.`
  return [
    {
      code: 'masked-gradients',
      message,
      fields: {
        attack: black!.name,
        beaten: white!.name,
        lead,
        ...(radius === undefined ? {} : { radius }),
      },
    },
  ]
}

/** Radii at which sets of differently labelled examples meet (Definition 3.1): no classifier is robust on all of them. */
export function compatibilityWarnings(
  { largestRadius, firstPair }: Compatibility,
  radii: readonly number[],
  nameOf: (example: number) => number = example => example,
): AttackWarning[] {
  const beyond = radii.filter(radius => radius >= largestRadius)
  if (beyond.length === 0) return []
  const pair =
    firstPair === null
      ? ''
      : `, such as those of examples ${nameOf(firstPair[0])} and ${nameOf(firstPair[1])}`
  const message = `At radius ${beyond.join(', ')} sets of differently labelled examples meet${pair}: no classifier is robust on both. Radii below ${Number(largestRadius.toPrecision(6))} are compatible (Definition 3.1).`
  return [{ code: 'incompatible', message, fields: { radius: beyond[0]!, largestRadius } }]
}

/** Attacks of one step or none, with which alone nothing is known of robustness. */
const SIMPLE: readonly AttackSpec['kind'][] = ['identity', 'uniform', 'fgsm']

/** Nothing iterated was tried: what a stronger attack finds is open. */
export function scopeWarnings(specs: readonly AttackSpec[]): AttackWarning[] {
  if (specs.length === 0 || !specs.every(({ kind }) => SIMPLE.includes(kind))) return []
  const message =
    'Only attacks of one step or none were tried; iterated ones (pgd) find far more. Robust accuracy is an upper bound of the truth.'
  return [{ code: 'one-attack', message, fields: { attacks: specs.length } }]
}
