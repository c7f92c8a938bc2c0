import {
  type Attackable,
  apgd,
  apgdTargeted,
  compatibilityWarnings,
  maskingWarnings,
  mim,
  modelWarnings,
  pgd,
  scopeWarnings,
  settingWarnings,
  worstCase,
} from '@saddle/attacks'
import { type Dataset, lossFrom, perturbationSetFrom, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { keyFor, linearModel } from '../fixtures.js'

/** Every warning where it is due, and none where it is not. */

await useBackend('cpu')

const codes = (
  model: Attackable,
  loss = 'cross-entropy',
  rows = [
    [0.3, 0.2],
    [0.1, 0.9],
  ],
) =>
  scoped(() => {
    const set = perturbationSetFrom({ kind: 'linf', radius: 0.1 })
    const options = { set, loss: lossFrom(loss), key: keyFor([0, 1]) }
    const y = tf.tensor1d(model.outputs === 1 ? [1, -1] : [0, 1])
    return modelWarnings(model, tf.tensor2d(rows), y, options).map(({ code }) => code)
  })

const plain = linearModel(
  [
    [1, 2],
    [-1, 1],
    [0, 1],
  ],
  [0, 0, 0],
)

t.test('an ordinary model gives no warning', async t => {
  t.same(codes(plain), [])
  t.same(codes(linearModel([[1, 2]], [0]), 'logistic'), [])
})

t.test('softmax in place of logits is noticed', async t => {
  const soft: Attackable = {
    ...plain,
    forward: x => tf.softmax(plain.forward(x)) as tf.Tensor2D,
    inputGradient: (x, cotangent) => {
      const { gradient } = plain.inputGradient(x, cotangent)
      return { outputs: tf.softmax(plain.forward(x)) as tf.Tensor2D, gradient }
    },
  }
  t.same(codes(soft), ['probabilities'])
})

t.test('a gradient that is exactly 0 is noticed, and how often', async t => {
  const loss = lossFrom('hinge')
  const found = scoped(() => {
    const set = perturbationSetFrom({ kind: 'linf', radius: 0.1 })
    // f = 2 with label 1: beyond the hinge; f = 0.2: not.
    const x = tf.tensor2d([
      [0, 1],
      [0, 0.1],
    ])
    const options = { set, loss, key: keyFor([0, 1]) }
    return modelWarnings(linearModel([[1, 2]], [0]), x, tf.tensor1d([1, 1]), options)
  })
  t.match(found, [{ code: 'zero-gradient', fields: { examples: 1, of: 2 } }])
})

t.test('a model that differs from pass to pass is noticed', async t => {
  let draw = 0
  const random: Attackable = {
    ...plain,
    forward: x => tf.add(plain.forward(x), 0.01 * draw++),
  }
  t.same(codes(random), ['randomised'])
})

t.test('outputs that are no numbers are noticed', async t => {
  t.same(
    codes(plain, 'cross-entropy', [
      [Number.NaN, 0],
      [0.1, 0.9],
    ]),
    ['not-finite'],
  )
})

t.test('steps that travel less than the radius are named, also inside an ensemble', async t => {
  t.match(settingWarnings(pgd({ steps: 9, stepSize: 0.1 }).spec, 10), [
    { code: 'short-travel', fields: { attack: 'pgd' } },
  ])
  t.same(settingWarnings(mim().spec, 10), [], 'ten steps of a tenth are enough')
  const list = worstCase([pgd(), mim({ steps: 3 })])
  t.match(settingWarnings(list.spec, 10), [{ code: 'short-travel', fields: { attack: 'mim' } }])
})

t.test('losses and targets that need more classes are named', async t => {
  t.same(settingWarnings(apgd({ loss: 'dlr' }).spec, 3), [])
  t.match(settingWarnings(apgd({ loss: 'dlr' }).spec, 1), [{ code: 'few-classes' }])
  t.equal(settingWarnings(apgdTargeted().spec, 10).length, 0)
  t.equal(settingWarnings(apgdTargeted().spec, 5).length, 1, 'nine targets of four')
  t.equal(settingWarnings(apgdTargeted().spec, 3).length, 2, 'and no targeted ratio')
})

t.test('an attack without gradients that is ahead is a sign of masking', async t => {
  const outcome = (name: string, success: number[], steps: number) => ({
    name,
    broken: success.reduce((a, b) => a + b, 0) / success.length,
    gradientSteps: steps,
  })
  const white = outcome('pgd', [1, 0, 0, 0], 10)
  t.same(maskingWarnings([white, outcome('square', [1, 0, 0, 0], 0)]), [])
  t.same(maskingWarnings([outcome('square', [1, 1, 1, 1], 0)]), [], 'nothing to compare with')
  t.match(maskingWarnings([white, outcome('square', [1, 1, 0, 0], 0)]), [
    { code: 'masked-gradients', fields: { attack: 'square', beaten: 'pgd', lead: 0.25 } },
  ])
})

t.test('one step or none is said to be no evaluation', async t => {
  const [identity, one] = [{ kind: 'identity' }, { kind: 'fgsm' }] as const
  t.match(scopeWarnings([identity, one]), [{ code: 'one-attack' }])
  t.same(scopeWarnings([one, pgd().spec]), [])
  t.same(scopeWarnings([]), [])
})

t.test('a radius beyond compatibility is named with the largest one that is', async t => {
  const shared = (values: number[]) => {
    const out = new Float32Array(new SharedArrayBuffer(4 * values.length))
    out.set(values)
    return out
  }
  const data: Dataset = {
    name: 'test',
    inputs: shared([0, 0, 1, 0]),
    labels: shared([1, -1]),
    count: 2,
    dimension: 2,
    classes: ['−', '+'],
  }
  const at = (radius: number) =>
    compatibilityWarnings(perturbationSetFrom({ kind: 'l2', radius }).compatibility(data), [radius])
  t.same(at(0.4), [])
  t.match(at(0.6), [{ code: 'incompatible', fields: { radius: 0.6, largestRadius: 0.5 } }])
})
