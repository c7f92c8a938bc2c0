import type { Attack } from './attack.js'
import { type ApgdSpec, apgd } from './first-order/apgd.js'
import { type ApgdTargetedSpec, apgdTargeted } from './first-order/apgd-targeted.js'
import { type BimSpec, bim } from './first-order/bim.js'
import { type FgsmSpec, fgsm } from './first-order/fgsm.js'
import { type FrankWolfeSpec, frankWolfe } from './first-order/frank-wolfe.js'
import { type IdentitySpec, identity } from './first-order/identity.js'
import { type MimSpec, mim } from './first-order/mim.js'
import { type PgdSpec, pgd } from './first-order/pgd.js'
import { type RandomFgsmSpec, randomFgsm } from './first-order/r-fgsm.js'
import { type UniformSpec, uniform } from './first-order/uniform.js'

/** Plain JSON, as in a configuration: a kind and its hyperparameters. */
export type AttackSpec =
  | IdentitySpec
  | UniformSpec
  | FgsmSpec
  | RandomFgsmSpec
  | BimSpec
  | PgdSpec
  | MimSpec
  | FrankWolfeSpec
  | ApgdSpec
  | ApgdTargetedSpec

type Kind = AttackSpec['kind']
type Hyperparameters<K extends Kind> = Omit<Extract<AttackSpec, { kind: K }>, 'kind'>

const ATTACKS: { readonly [K in Kind]: (options: Hyperparameters<K>) => Attack } = {
  identity,
  uniform,
  fgsm,
  'r-fgsm': randomFgsm,
  bim,
  pgd,
  mim,
  'frank-wolfe': frankWolfe,
  apgd,
  'apgd-targeted': apgdTargeted,
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
