import type { Attack, AttackSpec } from './attack.js'
import { fgsm } from './first-order/fgsm.js'
import { identity } from './first-order/identity.js'
import { pgd } from './first-order/pgd.js'
import { uniform } from './first-order/uniform.js'

/**
 * The attack that a configuration names.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range.
 */
export function attackFrom(spec: AttackSpec): Attack {
  const { kind, ...options } = spec
  switch (kind) {
    case 'identity':
      return identity(options)
    case 'uniform':
      return uniform(options)
    case 'fgsm':
      return fgsm(options)
    case 'pgd':
      return pgd(options)
  }
}
