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
export { type FgsmSpec, fgsm } from './first-order/fgsm.js'
export { type IdentitySpec, identity } from './first-order/identity.js'
export { type PgdOptions, type PgdSpec, pgd } from './first-order/pgd.js'
export { type UniformOptions, type UniformSpec, uniform } from './first-order/uniform.js'
export { type AttackSpec, attackFrom } from './from-spec.js'
// losses
export type { AttackLoss, AttackLossName } from './losses/attack-loss.js'
// what can be attacked
export { bindNetwork } from './models/network.js'
export { tensorModel } from './models/tensor-model.js'
// several radii
export { atRadius, disposeResult, runRadii, wholeDomain } from './radii.js'
