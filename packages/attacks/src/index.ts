// the contract
export type {
  Attack,
  Attackable,
  AttackKey,
  AttackOptions,
  AttackPoint,
  AttackResult,
} from './attack.js'
// query-only attacks
export { type BoundaryOptions, type BoundarySpec, boundary } from './black-box/boundary.js'
export {
  type HopSkipJumpOptions,
  type HopSkipJumpSpec,
  hopSkipJump,
} from './black-box/hop-skip-jump.js'
export type { ImageShape } from './black-box/image.js'
export { type NesOptions, type NesSpec, nes } from './black-box/nes.js'
export {
  type NesLabelOnlyOptions,
  type NesLabelOnlySpec,
  type NesPartialOptions,
  type NesPartialSpec,
  nesLabelOnly,
  nesPartial,
} from './black-box/nes-partial.js'
export { type SpsaOptions, type SpsaSpec, spsa } from './black-box/spsa.js'
export { type SquareOptions, type SquareSpec, square } from './black-box/square.js'
export { type ZooOptions, type ZooSpec, zoo } from './black-box/zoo.js'
// criteria
export type { Criterion } from './criteria/criterion.js'
export { lossAbove } from './criteria/loss-above.js'
export { misclassification } from './criteria/misclassification.js'
export { targeted } from './criteria/targeted.js'
// ensembles
export {
  type AutoAttackSpec,
  autoAttack,
  autoAttackMembers,
} from './ensembles/autoattack.js'
export { type RestartedSpec, restarted } from './ensembles/restarted.js'
export { type WorstCaseSpec, worstCase } from './ensembles/worst-case.js'
// attacks at a fixed radius
export { type ApgdOptions, type ApgdSpec, apgd } from './first-order/apgd.js'
export { lookBacks } from './first-order/apgd-schedule.js'
export {
  type ApgdTargetedOptions,
  type ApgdTargetedSpec,
  apgdTargeted,
} from './first-order/apgd-targeted.js'
export { type BimSpec, bim } from './first-order/bim.js'
export { resolved } from './first-order/direction.js'
export { type FgsmSpec, fgsm } from './first-order/fgsm.js'
export { type FrankWolfeSpec, frankWolfe } from './first-order/frank-wolfe.js'
export { type IdentitySpec, identity } from './first-order/identity.js'
export { type MimSpec, mim } from './first-order/mim.js'
export { type PgdOptions, type PgdSpec, pgd } from './first-order/pgd.js'
export { type RandomFgsmSpec, randomFgsm } from './first-order/r-fgsm.js'
export { startPoints } from './first-order/starts.js'
export { type StationaryPgdSpec, stationaryPgd } from './first-order/stationary-pgd.js'
export { type UniformOptions, type UniformSpec, uniform } from './first-order/uniform.js'
export { type AttackSpec, attackFrom } from './from-spec.js'
// losses
export { type AttackLoss, type AttackLossName, attackLoss } from './losses/attack-loss.js'
export { type Divergence, divergence } from './losses/divergence.js'
// minimum-norm attacks
export { type BisectionOptions, type BisectionSpec, bisection } from './minimum-norm/bisection.js'
export {
  type CarliniWagnerL2Options,
  type CarliniWagnerL2Spec,
  carliniWagnerL2,
} from './minimum-norm/carlini-wagner-l2.js'
export {
  type CarliniWagnerLinfOptions,
  type CarliniWagnerLinfSpec,
  carliniWagnerLinf,
} from './minimum-norm/carlini-wagner-linf.js'
export { type DdnOptions, type DdnSpec, ddn } from './minimum-norm/ddn.js'
export { type DeepFoolOptions, type DeepFoolSpec, deepfool } from './minimum-norm/deepfool.js'
export { type FabOptions, type FabSpec, fab } from './minimum-norm/fab.js'
export { type LbfgsAttackOptions, type LbfgsSpec, lbfgs } from './minimum-norm/lbfgs.js'
// what can be attacked
export { expectationOver } from './models/expectation.js'
export { bindNetwork } from './models/network.js'
export { tensorModel } from './models/tensor-model.js'
// several radii
export { atRadius, disposeResult, runRadii, wholeDomain } from './radii.js'
// where attacks begin
export {
  checkStartingPoints,
  type StartingPoints,
  takesStartingPoints,
} from './search/starting-points.js'
// warnings
export {
  compatibilityWarnings,
  maskingWarnings,
  type Outcome,
  scopeWarnings,
  settingWarnings,
} from './warnings/attacks.js'
export { examineModel, flagWarnings, type ModelFlags, modelWarnings } from './warnings/model.js'
export type { AttackWarning } from './warnings/warning.js'
