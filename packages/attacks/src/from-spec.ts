import type { Attack } from './attack.js'
import { type BoundarySpec, boundary } from './black-box/boundary.js'
import { type HopSkipJumpSpec, hopSkipJump } from './black-box/hop-skip-jump.js'
import { type NesSpec, nes } from './black-box/nes.js'
import {
  type NesLabelOnlySpec,
  type NesPartialSpec,
  nesLabelOnly,
  nesPartial,
} from './black-box/nes-partial.js'
import { type SpsaSpec, spsa } from './black-box/spsa.js'
import { type SquareSpec, square } from './black-box/square.js'
import { type ZooSpec, zoo } from './black-box/zoo.js'
import { type AutoAttackSpec, autoAttack } from './ensembles/autoattack.js'
import { type RestartedSpec, restarted } from './ensembles/restarted.js'
import { type WorstCaseSpec, worstCase } from './ensembles/worst-case.js'
import { type ApgdSpec, apgd } from './first-order/apgd.js'
import { type ApgdTargetedSpec, apgdTargeted } from './first-order/apgd-targeted.js'
import { type BimSpec, bim } from './first-order/bim.js'
import { type FgsmSpec, fgsm } from './first-order/fgsm.js'
import { type FrankWolfeSpec, frankWolfe } from './first-order/frank-wolfe.js'
import { type IdentitySpec, identity } from './first-order/identity.js'
import { type MimSpec, mim } from './first-order/mim.js'
import { type PgdSpec, pgd } from './first-order/pgd.js'
import { type RandomFgsmSpec, randomFgsm } from './first-order/r-fgsm.js'
import { type StationaryPgdSpec, stationaryPgd } from './first-order/stationary-pgd.js'
import { type UniformSpec, uniform } from './first-order/uniform.js'
import { type BisectionSpec, bisection } from './minimum-norm/bisection.js'
import { type CarliniWagnerL2Spec, carliniWagnerL2 } from './minimum-norm/carlini-wagner-l2.js'
import {
  type CarliniWagnerLinfSpec,
  carliniWagnerLinf,
} from './minimum-norm/carlini-wagner-linf.js'
import { type DdnSpec, ddn } from './minimum-norm/ddn.js'
import { type DeepFoolSpec, deepfool } from './minimum-norm/deepfool.js'
import { type FabSpec, fab } from './minimum-norm/fab.js'
import { type LbfgsSpec, lbfgs } from './minimum-norm/lbfgs.js'

/** Plain JSON, as in a configuration: a kind and its hyperparameters. */
export type AttackSpec =
  | IdentitySpec
  | UniformSpec
  | FgsmSpec
  | FabSpec
  | DeepFoolSpec
  | DdnSpec
  | CarliniWagnerL2Spec
  | CarliniWagnerLinfSpec
  | LbfgsSpec
  | BisectionSpec
  | SquareSpec
  | ZooSpec
  | NesSpec
  | NesPartialSpec
  | NesLabelOnlySpec
  | SpsaSpec
  | BoundarySpec
  | HopSkipJumpSpec
  | RandomFgsmSpec
  | BimSpec
  | PgdSpec
  | StationaryPgdSpec
  | MimSpec
  | FrankWolfeSpec
  | ApgdSpec
  | ApgdTargetedSpec
  | WorstCaseSpec
  | AutoAttackSpec
  | RestartedSpec

type Kind = AttackSpec['kind']
type Hyperparameters<K extends Kind> = Omit<Extract<AttackSpec, { kind: K }>, 'kind'>

const ATTACKS: { readonly [K in Kind]: (options: Hyperparameters<K>) => Attack } = {
  identity,
  uniform,
  fgsm,
  'r-fgsm': randomFgsm,
  bim,
  pgd,
  'stationary-pgd': stationaryPgd,
  fab,
  deepfool,
  ddn,
  'carlini-wagner-l2': carliniWagnerL2,
  'carlini-wagner-linf': carliniWagnerLinf,
  lbfgs,
  bisection: ({ attack, ...options }) => bisection(attackFrom(attack), options),
  square,
  zoo,
  nes,
  'nes-partial': nesPartial,
  'nes-label-only': nesLabelOnly,
  spsa,
  boundary,
  'hop-skip-jump': hopSkipJump,
  mim,
  'frank-wolfe': frankWolfe,
  apgd,
  'apgd-targeted': apgdTargeted,
  autoattack: autoAttack,
  'worst-case': ({ attacks, ...options }) => worstCase(attacks.map(attackFrom), options),
  restarted: ({ attack, restarts, ...options }) => restarted(attackFrom(attack), restarts, options),
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
