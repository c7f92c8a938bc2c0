import { fgsm, tensorModel } from '@saddle/attacks'
import { l2Ball, lossFrom, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { keyFor } from '../fixtures.js'

await useBackend('cpu')

const squares = tensorModel(x => tf.square(x), 2)

t.test('a missing gradient is named, with what to do', async t => {
  tf.tidy(() => {
    const x = tf.tensor2d([[1, 2]])
    t.throws(() => squares.inputGradient(x, tf.onesLike), {
      code: 'BACKEND',
      message: /@tensorflow\/tfjs/,
    })
  })
})

t.test('any function of tensors can be attacked once its gradients are registered', async t => {
  tf.registerGradient({
    kernelName: 'Square',
    inputsToSave: ['x'],
    gradFunc: (dy, [x]) => ({ x: () => tf.mul(dy as tf.Tensor, tf.mul(2, x!)) }),
  })
  tf.registerGradient({
    kernelName: 'Multiply',
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, [a, b]) => ({
      a: () => tf.mul(dy as tf.Tensor, b!),
      b: () => tf.mul(dy as tf.Tensor, a!),
    }),
  })
  tf.registerGradient({
    kernelName: 'Sum',
    inputsToSave: ['x'],
    gradFunc: (dy, [x]) => ({ x: () => tf.mul(dy as tf.Tensor, tf.onesLike(x!)) }),
  })
  tf.tidy(() => {
    const x = tf.tensor2d([[1, 2]])
    const { outputs, gradient } = squares.inputGradient(x, () => tf.tensor2d([[1, 3]]))
    t.same(outputs.arraySync(), [[1, 4]])
    t.same(gradient.arraySync(), [[2, 12]])
    const options = { set: l2Ball(0.1), loss: lossFrom('cross-entropy'), key: keyFor([0]) }
    const clean = 4 - Math.log(Math.exp(1) + Math.exp(4))
    const { loss } = fgsm().run(squares, x, tf.tensor1d([1]), options)
    t.ok(loss.dataSync()[0]! > -clean)
  })
})

t.test('a function of the wrong shape is refused', async t => {
  tf.tidy(() => {
    t.throws(() => tensorModel(x => x, 3).forward(tf.zeros([2, 2])), { code: 'SHAPE' })
  })
})
