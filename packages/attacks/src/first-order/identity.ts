import * as tf from '@tensorflow/tfjs-core'
import type { Attack } from '../attack.js'
import { attackOf } from '../finish.js'

/** A(W, x) = x: ordinary training. The surrogate loss is then the plain loss, to the last bit. */
export function identity(options: { readonly fosc?: boolean | undefined } = {}): Attack {
  return attackOf({ kind: 'identity', ...options }, ({ centres }) => ({
    raw: tf.clone(centres),
    gradientSteps: 0,
    queries: 0,
  }))
}
