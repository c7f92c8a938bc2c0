import { SaddleError } from '@saddle/core'
import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'
import type { AttackSpec } from '../from-spec.js'
import { cascade } from './cascade.js'

export interface WorstCaseSpec {
  readonly kind: 'worst-case'
  /** In the order in which they are tried; the cheap ones first. */
  readonly attacks: readonly AttackSpec[]
  readonly fosc?: boolean | undefined
}

/**
 * The worst case over a list of attacks, which makes `from` of the result say whose point it is (−1: of none). What each
 * draws is what it draws alone; an attack that is in the list twice finds the same twice (`restarted` does not).
 *
 * @throws SaddleError CONFIG if the list is empty.
 */
export function worstCase(
  attacks: readonly Attack[],
  options: { readonly fosc?: boolean | undefined } = {},
): Attack {
  if (attacks.length === 0)
    throw new SaddleError('CONFIG', 'Attack "worst-case": expected at least one attack, got none.')
  const spec: WorstCaseSpec = {
    kind: 'worst-case',
    attacks: attacks.map(attack => attack.spec),
    ...options,
  }
  const passes = attacks.reduce((sum, attack) => sum + attack.passes, 0)
  return attackOf({ spec, passes }, (view, model, own) => {
    const members = attacks.map(attack => ({ attack, key: own.key }))
    return cascade(members, view, model, own)
  })
}
