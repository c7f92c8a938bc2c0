import * as tf from '@tensorflow/tfjs-core'
import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'

export interface IdentitySpec {
  readonly kind: 'identity'
  readonly fosc?: boolean | undefined
}

/** A(W, x) = x: ordinary training. The surrogate loss is then the plain loss, to the last bit. */
export function identity(options: Omit<IdentitySpec, 'kind'> = {}): Attack {
  return attackOf({ spec: { kind: 'identity', ...options }, passes: 0 }, ({ centres }) => ({
    raw: tf.clone(centres),
    gradientSteps: 0,
    queries: 0,
  }))
}
