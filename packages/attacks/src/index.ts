// the contract
export type {
  Attack,
  Attackable,
  AttackKey,
  AttackOptions,
  AttackPoint,
  AttackResult,
} from './attack.js'
// criteria
export type { Criterion } from './criteria/criterion.js'
export { lossAbove } from './criteria/loss-above.js'
export { misclassification } from './criteria/misclassification.js'
export { targeted } from './criteria/targeted.js'
// attacks
export { type ApgdOptions, type ApgdSpec, apgd } from './first-order/apgd.js'
export {
  type ApgdTargetedOptions,
  type ApgdTargetedSpec,
  apgdTargeted,
} from './first-order/apgd-targeted.js'
export { type BimSpec, bim } from './first-order/bim.js'
export { type FgsmSpec, fgsm } from './first-order/fgsm.js'
export { type FrankWolfeSpec, frankWolfe } from './first-order/frank-wolfe.js'
export { type IdentitySpec, identity } from './first-order/identity.js'
export { type MimSpec, mim } from './first-order/mim.js'
export { type PgdOptions, type PgdSpec, pgd } from './first-order/pgd.js'
export { type RandomFgsmSpec, randomFgsm } from './first-order/r-fgsm.js'
export { type UniformOptions, type UniformSpec, uniform } from './first-order/uniform.js'
export { type AttackSpec, attackFrom } from './from-spec.js'
// losses
export type { AttackLoss, AttackLossName } from './losses/attack-loss.js'
// what can be attacked
export { bindNetwork } from './models/network.js'
export { tensorModel } from './models/tensor-model.js'
// several radii
export { atRadius, disposeResult, runRadii, wholeDomain } from './radii.js'
