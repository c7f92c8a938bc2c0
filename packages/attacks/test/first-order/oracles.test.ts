import {
  type Attack,
  type Attackable,
  apgd,
  apgdTargeted,
  bim,
  bindNetwork,
  fgsm,
  frankWolfe,
  identity,
  mim,
  pgd,
  uniform,
} from '@saddle/attacks'
import { deepReluNetwork, lossFrom, scoped, twoLayerNetwork, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import {
  huber,
  keyFor,
  linearModel,
  problem,
  setKinds,
  tanhModel,
  tinyWeights,
  upTo,
} from '../fixtures.js'
import { mean, read, run } from '../table.js'

/** Attacks where the answer is known: linear models, flat models, and the networks of the paper. */

/** Float32 rounding of coordinates and losses of order 1. */
const ROUNDING = 1e-5

await useBackend('wasm')

t.test(
  'the linear oracle: FGSM and PGD succeed from the exact threshold on, not before',
  async t => {
    const model = linearModel(
      [
        [1, -2, 0.5],
        [0, 1, 1],
        [-1, 0.5, 2],
      ],
      [0.5, 0, -0.25],
    )
    // Logits (.95, .70, .25), label 0: linf distance to class 1 is .25/‖(−1, 3, .5)‖₁ = .0555556.
    const succeeds = (attack: Attack, radius: number) =>
      scoped(() => {
        const p = problem({ kind: 'linf', radius }, 1, 3)
        const options = { set: p.set, loss: lossFrom('cross-entropy'), key: keyFor([0]) }
        const x = tf.tensor2d([[0.6, 0.2, 0.5]])
        return attack.run(model, x, tf.tensor1d([0]), options).success.dataSync()[0] === 1
      })
    const long = pgd({ steps: 60, restarts: 3 })
    for (const attack of [fgsm(), pgd({ start: 'clean' }), long]) {
      t.notOk(succeeds(attack, 0.0555))
      t.ok(succeeds(attack, 0.0556))
    }
  },
)

t.test('the linear oracle in every norm: no attack succeeds below, all of them above', async t => {
  // Logits (.95, .70, .25), label 0; class 1 is .25 away along w = (−1, 3, .5), class 2 .70 along (−2, 2.5, 1.5):
  // linf .25/4.5, l2 .25/√10.25, l1 .25/3.
  const model = linearModel(
    [
      [1, -2, 0.5],
      [0, 1, 1],
      [-1, 0.5, 2],
    ],
    [0.5, 0, -0.25],
  )
  await useBackend('cpu')
  const exact = { linf: 0.0555556, l2: 0.0780869, l1: 0.0833333 }
  const list: Attack[] = [
    fgsm(),
    fgsm({ loss: 'margin' }),
    bim({ steps: 40 }),
    mim({ steps: 20 }),
    frankWolfe(),
    pgd({ steps: 40, until: 'success' }),
    apgd(),
    apgd({ loss: 'dlr' }),
    apgdTargeted(),
  ]
  for (const [kind, distance] of Object.entries(exact) as [keyof typeof exact, number][])
    for (const attack of list) {
      const succeeds = (radius: number) =>
        scoped(() => {
          const { set } = problem({ kind, radius }, 1, 3)
          const options = { set, loss: lossFrom('cross-entropy'), key: keyFor([0]) }
          const x = tf.tensor2d([[0.6, 0.2, 0.5]])
          return attack.run(model, x, tf.tensor1d([0]), options).success.dataSync()[0] === 1
        })
      const name = `${attack.spec.kind} in ${kind}`
      t.notOk(succeeds(distance * 0.999), name)
      t.ok(succeeds(distance * 1.02), name)
    }
  await useBackend('wasm')
})

t.test('the linear oracle in l2: the threshold is |f|/‖w‖', async t => {
  const w = [3, -1, 2]
  const x = [0.2, 0.1, -0.4]
  const f = 3 * 0.2 - 0.1 - 0.8
  const exact = Math.abs(f) / Math.hypot(...w)
  const succeeds = (attack: Attack, radius: number) =>
    scoped(() => {
      const p = problem({ kind: 'l2', radius }, 1, 3)
      const options = { set: p.set, loss: lossFrom('logistic'), key: keyFor([0]) }
      const result = attack.run(linearModel([w], [0]), tf.tensor2d([x]), tf.tensor1d([-1]), options)
      return result.success.dataSync()[0] === 1
    })
  for (const attack of [
    fgsm(),
    pgd({ steps: 30 }),
    pgd({ objective: 'two-sided', start: 'clean' }),
  ]) {
    t.notOk(succeeds(attack, exact * 0.9999))
    t.ok(succeeds(attack, exact * 1.0001))
  }
})

t.test('FOSC vanishes at the maximiser of a linear function, also where the box binds', async t => {
  const w = [3, -1, 2, 0.5]
  const model = linearModel([w], [0])
  for (const kind of setKinds) {
    const p = problem({ kind, radius: 0.3 }, 200, 4)
    if (kind.startsWith('lift')) continue
    const x = kind.startsWith('box-l') ? p.x.map(v => Math.round(v)) : p.x
    const { fosc, loss } = scoped(() => {
      const options = { set: p.set, loss: lossFrom('logistic'), key: keyFor(upTo(200)) }
      return read(
        fgsm({ fosc: true }).run(model, tf.tensor2d(x, [200, 4]), tf.tensor1d(p.y), options),
      )
    })
    t.ok(
      fosc!.every(gap => gap >= 0 && gap < 1e-5),
      `${kind}: ${Math.max(...fosc!)}`,
    )
    t.ok(loss.every(Number.isFinite))
  }
})

t.test('FOSC of an unmoved point is the dual norm of the gradient times the radius', async t => {
  const model = linearModel([[3, -4]], [0])
  for (const [kind, dual] of [
    ['l2', 5],
    ['linf', 7],
  ] as const) {
    const gap = scoped(() => {
      const p = problem({ kind, radius: 0.1 }, 1, 2)
      const options = { set: p.set, loss: lossFrom('absolute'), key: keyFor([0]) }
      const x = tf.tensor2d([[0.3, 0.2]])
      return identity({ fosc: true })
        .run(model, x, tf.tensor1d([1]), options)
        .fosc!.dataSync()[0]!
    })
    t.ok(Math.abs(gap - 0.1 * dual) < 1e-6)
  }
})

t.test('two-sided search leaves f = y, where the loss has no gradient', async t => {
  const model = linearModel([[1, 2]], [0])
  const attacked = (attack: Attack) =>
    scoped(() => {
      const p = problem({ kind: 'l2', radius: 0.1 }, 1, 2)
      const options = { set: p.set, loss: huber, key: keyFor([0]) }
      return attack.run(model, tf.tensor2d([[1, 0]]), tf.tensor1d([1]), options).loss.dataSync()[0]!
    })
  t.equal(attacked(pgd({ start: 'clean' })), 0)
  // Both ends of the ball: r = ±0.1 √5, so ℓ = r²/2 = 0.025.
  const two = attacked(pgd({ start: 'clean', objective: 'two-sided' }))
  t.ok(Math.abs(two - 0.025) < 1e-6)
})

t.test(
  'without a gradient nothing moves: symmetric initialisation, and rounding noise',
  async t => {
    const p = problem({ kind: 'l2', radius: 0.3 }, 10, 6)
    const network = twoLayerNetwork({ inputs: 6, width: 64 })
    const symmetric = bindNetwork(network, network.initialise(1))
    const noisy: Attackable = {
      outputs: 1,
      forward: x => tf.zeros([x.shape[0], 1]),
      inputGradient: x => ({
        outputs: tf.zeros([x.shape[0], 1]),
        gradient: tf.fill(x.shape, 1e-8) as tf.Tensor2D,
      }),
    }
    for (const model of [symmetric, noisy])
      for (const attack of [
        fgsm(),
        pgd({ start: 'clean' }),
        pgd({ start: 'clean', keepBest: false }),
        pgd({ start: 'clean', objective: 'two-sided' }),
      ])
        t.same(run(attack, p, model).point, p.x)
  },
)

t.test('a step is stepSize radii long', async t => {
  const p = problem({ kind: 'l2', radius: 0.4 }, 5, 3)
  const attack = pgd({ steps: 3, stepSize: 0.25, start: 'clean', keepBest: false })
  const { distance } = run(attack, p, linearModel([[3, -1, 2]], [0]))
  t.ok(distance.every(v => Math.abs(v - 0.3) < 1e-6))
})

t.test('on a tie the earlier point stays', async t => {
  // f is constant, but claims a gradient: every iterate has the same loss.
  const p = problem({ kind: 'l2', radius: 0.3 }, 5, 3)
  const constant: Attackable = {
    outputs: 1,
    forward: x => tf.fill([x.shape[0], 1], 0.5),
    inputGradient: x => ({ outputs: tf.fill([x.shape[0], 1], 0.5), gradient: tf.onesLike(x) }),
  }
  t.same(run(pgd({ start: 'clean', restarts: 1 }), p, constant).point, p.x)
  t.same(run(pgd({ start: 'clean-first', restarts: 3 }), p, constant).point, p.x)
  const first = run(uniform(), p, constant).point
  t.same(run(uniform({ draws: 4 }), p, constant).point, first)
})

t.test('a saturated loss keeps its direction', async t => {
  // logistic at v = 20: ℓ' = −2e-9, far below FLAT, but ∇f = w is not.
  const model = linearModel([[0, 5]], [20])
  const { distance, point } = scoped(() => {
    const p = problem({ kind: 'l2', radius: 0.5 }, 1, 2)
    const options = { set: p.set, loss: lossFrom('logistic'), key: keyFor([0]) }
    return read(fgsm().run(model, tf.tensor2d([[0, 0]]), tf.tensor1d([1]), options))
  })
  t.ok(Math.abs(distance[0]! - 0.5) < 1e-6)
  t.ok(Math.abs(point[1]! + 0.5) < 1e-6)
})

t.test('the networks of the paper are attacked through the same door', async t => {
  for (const kind of ['cap', 'box-sphere', 'lift-linf'] as const) {
    const p = problem({ kind, radius: 0.2 }, 40, 8)
    const inputs = p.set.embeddedDimension(8)
    for (const network of [
      deepReluNetwork({ inputs, width: 64, depth: 2 }),
      deepReluNetwork({ inputs, width: 64 }),
    ]) {
      const model = bindNetwork(network, network.initialise(3))
      const clean = run(identity(), p, model)
      const found = run(pgd({ steps: 8, start: 'clean', fosc: true }), p, model)
      t.ok(found.loss.every((loss, i) => loss >= clean.loss[i]! - ROUNDING))
      t.ok(mean(found.loss) > 1.2 * mean(clean.loss))
      t.ok(found.fosc!.every(gap => gap >= 0))
    }
  }
})

t.test('networks of several classes are attacked, too', async t => {
  const weights = tinyWeights(5, 4, 9)
  const { model } = tanhModel(weights)
  const [clean, found] = scoped(() => {
    const p = problem({ kind: 'linf', radius: 0.1 }, 50, 5)
    const options = { set: p.set, loss: lossFrom('cross-entropy'), key: keyFor(upTo(50)) }
    const x = tf.tensor2d(p.x, [50, 5])
    const y = tf.tensor1d(Float32Array.from(upTo(50), i => i % 4))
    return [identity(), pgd()].map(attack => read(attack.run(model, x, y, options)))
  })
  t.ok(mean(found!.loss) > mean(clean!.loss) + 0.1)
  t.ok(mean(found!.success) > mean(clean!.success))
})

t.test('a model that breaks down at some examples spoils no others', async t => {
  const broken = linearModel([[1, 2]], [0])
  const model: Attackable = {
    outputs: 1,
    forward: x => breakFirstRow(broken.forward(x)),
    inputGradient: (x, cotangent) => {
      const { outputs, gradient } = broken.inputGradient(x, cotangent)
      return { outputs: breakFirstRow(outputs), gradient: breakFirstRow(gradient) }
    },
  }
  const p = problem({ kind: 'l2', radius: 0.1 }, 4, 2)
  const whole = run(pgd({ steps: 4, restarts: 2 }), p, broken)
  const found = run(pgd({ steps: 4, restarts: 2 }), p, model)
  t.ok(Number.isNaN(found.loss[0]))
  t.same(found.point.slice(2), whole.point.slice(2))
  t.same(found.point.slice(0, 2), p.x.slice(0, 2), 'no point was better, so x stays')
})

function breakFirstRow(x: tf.Tensor2D): tf.Tensor2D {
  const first = tf.tensor2d(
    Float32Array.from({ length: x.shape[0] }, (_, i) => (i ? 0 : NaN)),
    [x.shape[0], 1],
  )
  return tf.add(x, first)
}
