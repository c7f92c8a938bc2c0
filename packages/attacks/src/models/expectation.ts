import * as tf from '@tensorflow/tfjs-core'
import type { Attackable } from '../attack.js'
import { requireCounts } from '../first-order/hyperparameters.js'

/**
 * Expectation over the randomness of a model (Athalye et al. 2018): outputs and gradients are means over `samples`
 * passes, each gradient that of the objective at the outputs of its own pass. An attack on it ascends the expected
 * loss, and its success is judged by mean outputs of passes of its own. Every pass counts as `samples` queries.
 *
 * What a random model draws is its own affair: unless it keys its draws by example, results depend on the batch.
 *
 * @throws SaddleError CONFIG unless `samples` is a positive whole number.
 */
export function expectationOver(model: Attackable, samples: number): Attackable {
  requireCounts('expectation', { samples })
  return {
    outputs: model.outputs,
    queriesPerPass: samples * (model.queriesPerPass ?? 1),
    forward: x => tf.tidy(() => average(Array.from({ length: samples }, () => model.forward(x)))),
    inputGradient(x, cotangent) {
      const [outputs, gradient] = tf.tidy(() => {
        const passes = Array.from({ length: samples }, () => model.inputGradient(x, cotangent))
        return [
          average(passes.map(pass => pass.outputs)),
          average(passes.map(pass => pass.gradient)),
        ]
      })
      return { outputs: outputs!, gradient: gradient! }
    },
  }
}

function average(tensors: readonly tf.Tensor2D[]): tf.Tensor2D {
  const sum = tensors.reduce((a, b) => tf.add(a, b))
  return tf.div(sum, tensors.length)
}
