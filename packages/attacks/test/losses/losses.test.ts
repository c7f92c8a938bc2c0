import { attackLoss, lossAbove, misclassification, targeted } from '@saddle/attacks'
import { lossFrom, openStream, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'

/** What attacks ascend and what counts as success, against values by hand and finite differences. */

await useBackend('cpu')

const NAMES = ['cross-entropy', 'margin', 'dlr'] as const

function ascended(
  name: (typeof NAMES)[number],
  z: number[],
  label: number,
  target: number | null = null,
): number {
  return scoped(() => {
    const targets = target === null ? null : new Float32Array([target])
    return attackLoss(name)
      .value(tf.tensor2d([z]), tf.tensor1d([label]), targets)
      .dataSync()[0]!
  })
}

function slopeOf(
  name: (typeof NAMES)[number],
  z: number[],
  label: number,
  target: number | null = null,
): number[] {
  return scoped(() => {
    const targets = target === null ? null : new Float32Array([target])
    const slope = attackLoss(name).derivative(tf.tensor2d([z]), tf.tensor1d([label]), targets)
    return [...slope.dataSync()]
  })
}

const near = (a: number, b: number, slack = 1e-6) => Math.abs(a - b) <= slack

t.test('the difference of logits ratio has its published values', async t => {
  const z = [3, 1, 0, -2]
  t.ok(near(ascended('dlr', z, 0), -2 / 3))
  t.ok(near(ascended('dlr', z, 1), 2 / 3))
  t.ok(near(ascended('dlr', z, 0, 1), -1 / 2))
  const moved = z.map(v => 5 * v + 7)
  t.ok(near(ascended('dlr', moved, 0), -2 / 3), 'shifts and scales change nothing')
})

t.test('with too few classes for the ratio what is left of it is taken', async t => {
  t.ok(near(ascended('dlr', [2, 0.5], 0), -1.5), 'two classes: the margin')
  t.ok(near(ascended('dlr', [0.75], 1), -0.75), 'one output: −y f')
  t.ok(near(ascended('dlr', [0.75], -1), 0.75))
  t.ok(near(ascended('dlr', [3, 1, 0], 0, 1), -2 / 3), 'three classes and a target: over z₁ − z₃')
})

t.test('one output is the pair of scores (−f/2, f/2)', async t => {
  for (const name of NAMES)
    for (const f of [-3, -0.2, 0.4, 5])
      for (const label of [0, 1])
        for (const target of [null, 0, 1]) {
          const pm = (place: number) => 2 * place - 1
          const one = ascended(name, [f], pm(label), target === null ? null : pm(target))
          const pair = ascended(name, [-f / 2, f / 2], label, target)
          t.ok(near(one, pair), `${name} ${f} ${label} ${target}`)
        }
})

t.test('cross-entropy is log Σ e^{z_j − z_y}, also where float32 has lost p_y', async t => {
  const z = [1.5, -0.5, 0.25]
  const sum = z.reduce((a, v) => a + Math.exp(v), 0)
  t.ok(near(ascended('cross-entropy', z, 1), Math.log(sum) + 0.5))
  t.ok(near(ascended('cross-entropy', z, 1, 2), -(Math.log(sum) - 0.25)))
  t.ok(near(ascended('cross-entropy', [2], -1), Math.log1p(Math.exp(2))))
  // A lead of 40: p_y − 1 is 0 in float32; −Σ p_j is e^{−40}.
  const [own, other] = slopeOf('cross-entropy', [40, 0], 0)
  t.ok(near(own! / -Math.exp(-40), 1, 1e-5) && near(other! / Math.exp(-40), 1, 1e-5))
  t.ok(ascended('cross-entropy', [40, 0], 0) > 0)
})

t.test('derivatives are those of finite differences', async t => {
  const stream = openStream({ seed: 3, purpose: 'test.losses' })
  for (const name of NAMES)
    for (const c of [1, 2, 3, 4, 7])
      for (const withTarget of [false, true]) {
        const z = Array.from({ length: c }, () => 2 * stream.normal())
        const [label, target] = c === 1 ? [1, -1] : [0, 1]
        const at = (w: number[]) => ascended(name, w, label, withTarget ? target : null)
        const slope = slopeOf(name, z, label, withTarget ? target : null)
        // Steps of 1e-2 on values of order 1 in float32: rounding 1e-5, curvature 1e-4.
        const h = 1e-2
        z.forEach((_, j) => {
          const moved = (by: number) => z.map((v, k) => (k === j ? v + by : v))
          const difference = (at(moved(h)) - at(moved(-h))) / (2 * h)
          t.ok(near(slope[j]!, difference, 2e-3), `${name} ${c} ${withTarget} ${j}`)
        })
      }
})

t.test('a model that breaks down at a row spoils no other', async t => {
  const z = tf.tensor2d([
    [Number.NaN, 1, 2, 0],
    [1, 2, 3, 0],
  ])
  const y = tf.tensor1d([0, 0])
  for (const name of NAMES) {
    const values = attackLoss(name).value(z, y, null).dataSync()
    t.ok(Number.isNaN(values[0]), name)
    t.ok(near(values[1]!, ascended(name, [1, 2, 3, 0], 0)), name)
  }
  tf.dispose([z, y])
})

t.test('criteria say when the work is done', async t => {
  scoped(() => {
    const scores = tf.tensor2d([
      [2, 1, 0],
      [1, 1, 0],
      [0, 1, 3],
    ])
    const labels = tf.tensor1d([0, 0, 0])
    const flags = (c: typeof misclassification) => [...c.isAdversarial(scores, labels).dataSync()]
    t.same(flags(misclassification), [0, 1, 1], 'ties are errors')
    const criterion = targeted([1, 1, 2])
    t.same(flags(criterion), [0, 0, 1], 'a target must be predicted, and by more than a tie')
    t.same(criterion.atRows([2, 0]).targets, new Float32Array([2, 1]))
    const one = tf.tensor2d([[0.5], [-0.5], [0]])
    const signs = tf.tensor1d([1, 1, 1])
    t.same([...misclassification.isAdversarial(one, signs).dataSync()], [0, 1, 1])
    t.same([...targeted([-1, -1, -1]).isAdversarial(one, signs).dataSync()], [0, 1, 0])
    const loss = lossFrom('absolute')
    const above = lossAbove(loss, 1)
    t.same([...above.isAdversarial(one, signs).dataSync()], [0, 1, 0], 'ℓ = 0.5, 1.5, 1')
    t.equal(above.name, 'loss-above:1')
  })
  t.throws(() => lossAbove(lossFrom('absolute'), Number.NaN), { code: 'RANGE' })
  scoped(() => {
    const z = tf.tensor2d([[1], [2]])
    t.throws(() => targeted([1]).isAdversarial(z, tf.tensor1d([1, 1])), { code: 'SHAPE' })
  })
})
