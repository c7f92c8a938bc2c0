import * as tf from '@tensorflow/tfjs-core'
import type { Attack } from '../attack.js'
import { finish } from '../finish.js'
import { tidied } from '../tidied.js'
import { viewOf } from '../view.js'

/** A(W, x) = x: ordinary training. The surrogate loss is then the plain loss, to the last bit. */
export function identity(options: { readonly fosc?: boolean | undefined } = {}): Attack {
  return {
    spec: { kind: 'identity', ...options },
    run: (model, x, y, attack) =>
      tidied(() => {
        const view = viewOf(model, x, y, attack)
        return finish(view, { raw: tf.clone(x), gradientSteps: 0, queries: 0 }, options.fosc)
      }),
  }
}
