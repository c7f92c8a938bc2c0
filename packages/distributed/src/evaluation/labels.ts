import type { AttackSpec } from '@saddle/attacks'
import { SaddleError } from '@saddle/core'
import { canonicalJson } from '../config/hash.js'
import { checkAttack } from './attack-list.js'

/**
 * Attacks as they would be typed, with the options that are not the defaults: `fgsm`, `pgd:steps=40,restarts=2`. Equal
 * ones are numbered.
 */
export function labelsOf(attacks: readonly AttackSpec[]): string[] {
  const labels = attacks.map(labelOf)
  return labels.map((label, i) => {
    const alike = labels.flatMap((other, j) => (other === label ? [j] : []))
    return alike.length === 1 ? label : `${label} (${alike.indexOf(i) + 1})`
  })
}

function labelOf(attack: AttackSpec): string {
  // What an evaluation assumes where nothing is said (`evaluating`).
  const defaults = { until: 'success', ...defaultsOf(attack.kind) }
  const options = Object.entries(attack)
    .filter(([key]) => key !== 'kind' && key !== 'fosc')
    .filter(
      ([key, value]) =>
        value !== undefined &&
        canonicalJson(value) !== canonicalJson((defaults as Record<string, unknown>)[key] ?? null),
    )
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : canonicalJson(value)}`)
  return options.length === 0 ? attack.kind : `${attack.kind}:${options.join(',')}`
}

/** Nothing where an attack has options that must be given. */
function defaultsOf(kind: string): Readonly<Record<string, unknown>> {
  try {
    return { ...checkAttack({ kind }) }
  } catch (error) {
    if (error instanceof SaddleError) return {}
    throw error
  }
}
