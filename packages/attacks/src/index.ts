// the contract
export type {
  Attack,
  Attackable,
  AttackKey,
  AttackOptions,
  AttackPoint,
  AttackResult,
  AttackSpec,
} from './attack.js'
// attacks
export { fgsm } from './first-order/fgsm.js'
export { identity } from './first-order/identity.js'
export { type PgdOptions, pgd } from './first-order/pgd.js'
export { type UniformOptions, uniform } from './first-order/uniform.js'
export { attackFrom } from './from-spec.js'
// what can be attacked
export { bindNetwork } from './models/network.js'
export { tensorModel } from './models/tensor-model.js'
