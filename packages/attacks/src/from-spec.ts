import type { Attack } from './attack.js'
import { type FgsmSpec, fgsm } from './first-order/fgsm.js'
import { type IdentitySpec, identity } from './first-order/identity.js'
import { type PgdSpec, pgd } from './first-order/pgd.js'
import { type UniformSpec, uniform } from './first-order/uniform.js'

/** Plain JSON, as in a configuration: a kind and its hyperparameters. */
export type AttackSpec = IdentitySpec | UniformSpec | FgsmSpec | PgdSpec

type Kind = AttackSpec['kind']
type Hyperparameters<K extends Kind> = Omit<Extract<AttackSpec, { kind: K }>, 'kind'>

const ATTACKS: { readonly [K in Kind]: (options: Hyperparameters<K>) => Attack } = {
  identity,
  uniform,
  fgsm,
  pgd,
}

/**
 * The attack that a configuration names.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range.
 */
export function attackFrom(spec: AttackSpec): Attack {
  const { kind, ...options } = spec
  return (ATTACKS[kind] as (options: object) => Attack)(options)
}
