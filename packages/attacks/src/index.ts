export type {
  Attack,
  Attackable,
  AttackKey,
  AttackOptions,
  AttackResult,
  AttackSpec,
} from './attack.js'
