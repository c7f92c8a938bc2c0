import {
  type Attack,
  type Attackable,
  type AttackResult,
  attackFrom,
  bindNetwork,
  fgsm,
  identity,
  pgd,
  uniform,
} from '@saddle/attacks'
import { deepReluNetwork, lossFrom, misclassified, twoLayerNetwork, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import {
  huber,
  keyFor,
  linearModel,
  type Problem,
  problem,
  setKinds,
  tanhModel,
  tidied,
  tinyWeights,
  upTo,
} from '../fixtures.js'

/** Every attack of the package, and the ways of running PGD that differ in kind. */
const attacks: readonly [string, Attack][] = [
  ['identity', identity()],
  ['one random point', uniform()],
  ['three random points', uniform({ draws: 3 })],
  ['fgsm', fgsm()],
  ['pgd', pgd({ steps: 4 })],
  ['pgd, long steps', pgd({ steps: 3, stepSize: 3, start: 'border' })],
  ['pgd, last iterate', pgd({ steps: 3, keepBest: false, start: 'clean' })],
  ['pgd, clean first', pgd({ steps: 3, restarts: 2, start: 'clean-first' })],
  ['pgd, two-sided', pgd({ steps: 3, objective: 'two-sided', restarts: 2 })],
]

/** Float32 rounding of coordinates and losses of order 1. */
const ROUNDING = 1e-5

await useBackend('wasm')

interface Read {
  readonly raw: Float32Array
  readonly point: Float32Array
  readonly outputs: Float32Array
  readonly success: Uint8Array
  readonly distance: Float32Array
  readonly loss: Float32Array
  readonly fosc: Float32Array | null
}

/** Runs an attack on rows of a problem and reads the result. */
function run(attack: Attack, p: Problem, model: Attackable, rows = upTo(p.n)): Read {
  return tidied(() => {
    const x = Float32Array.from(rows.flatMap(i => [...p.x.subarray(i * p.d, (i + 1) * p.d)]))
    const y = Float32Array.from(rows, i => p.y[i]!)
    const key = keyFor(rows)
    const options = { set: p.set, loss: huber, key }
    return read(attack.run(model, tf.tensor2d(x, [rows.length, p.d]), tf.tensor1d(y), options))
  })
}

function read({ raw, point, outputs, success, distance, loss, fosc }: AttackResult): Read {
  return {
    raw: raw.dataSync(),
    point: point.dataSync(),
    outputs: outputs.dataSync(),
    success: success.dataSync(),
    distance: distance.dataSync(),
    loss: loss.dataSync(),
    fosc: fosc?.dataSync() ?? null,
  } as Read
}

for (const kind of setKinds) {
  t.test(`${kind}: every attack stays in the set and reports what a fresh pass finds`, async t => {
    const p = problem({ kind, radius: 0.3 }, 1000, 6)
    const { model } = tanhModel(p.weights)
    for (const [name, attack] of attacks) {
      tidied(() => {
        const x = tf.tensor2d(p.x, [p.n, p.d])
        const y = tf.tensor1d(p.y)
        const key = keyFor(upTo(p.n))
        const result = attack.run(model, x, y, { set: p.set, loss: huber, key })
        const inside = p.set.contains(x, result.point).dataSync()
        t.ok(
          inside.every(flag => flag === 1),
          `${name} inside`,
        )
        const outputs = model.forward(p.set.embed(result.point))
        t.same(result.outputs.dataSync(), outputs.dataSync(), `${name} outputs`)
        t.same(result.success.dataSync(), misclassified(outputs, y, 'scalar').dataSync())
        t.same(result.loss.dataSync(), huber.value(outputs, y).dataSync())
        t.same(result.distance.dataSync(), p.set.distance(x, result.point).dataSync())
        t.equal(result.fosc, null)
      })
    }
  })

  t.test(`${kind}: radius 0 returns the input bit for bit`, async t => {
    const p = problem({ kind, radius: 0 }, 20, 6)
    const { model } = tanhModel(p.weights)
    for (const [name, attack] of attacks) t.same(run(attack, p, model).point, p.x, name)
  })

  t.test(`${kind}: the best iterate is never worse than a start it included`, async t => {
    const p = problem({ kind, radius: 0.3 }, 300, 6)
    const { model } = tanhModel(p.weights)
    const clean = run(identity(), p, model).loss
    for (const options of [
      { steps: 5, start: 'clean' },
      { steps: 5, stepSize: 2, start: 'clean' },
      { steps: 3, restarts: 3, start: 'clean-first' },
    ] as const) {
      const found = run(pgd(options), p, model).loss
      t.ok(found.every((loss, i) => loss >= clean[i]! - ROUNDING))
      t.ok(mean(found) > mean(clean) + 0.05, 'and better on average')
    }
  })

  t.test(`${kind}: more restarts or more steps never lower the loss`, async t => {
    const p = problem({ kind, radius: 0.3 }, 300, 6)
    const { model } = tanhModel(p.weights)
    const losses = [1, 2, 4].map(restarts => run(pgd({ steps: 3, restarts }), p, model).loss)
    const longer = [3, 4, 7].map(steps => run(pgd({ steps }), p, model).loss)
    const drawn = [1, 2, 5].map(draws => run(uniform({ draws }), p, model).loss)
    for (const series of [losses, longer, drawn])
      for (const k of [1, 2])
        t.ok(series[k]!.every((loss, i) => loss >= series[k - 1]![i]! - ROUNDING))
  })

  t.test(`${kind}: the order of a batch does not matter, nor what else is in it`, async t => {
    const p = problem({ kind, radius: 0.3 }, 12, 6)
    const { model } = tanhModel(p.weights)
    const order = [7, 0, 11, 3, 5, 1, 2, 10, 9, 8, 4, 6]
    await useBackend('cpu')
    for (const [name, attack] of attacks) {
      const all = run(attack, p, model)
      const shuffled = run(attack, p, model, order)
      order.forEach((i, at) => {
        const expected = all.point.slice(i * 6, (i + 1) * 6)
        t.same(shuffled.point.slice(at * 6, (at + 1) * 6), expected, `${name}, permuted`)
        t.same(run(attack, p, model, [i]).point, expected, `${name}, alone`)
      })
    }
    await useBackend('wasm')
  })

  t.test(`${kind}: FOSC is never negative, and PGD brings it down`, async t => {
    const p = problem({ kind, radius: 0.3 }, 300, 6)
    const { model } = tanhModel(p.weights)
    const before = run(identity({ fosc: true }), p, model).fosc!
    const after = run(pgd({ steps: 40, stepSize: 0.1, fosc: true }), p, model).fosc!
    t.ok([...before, ...after].every(gap => gap >= 0))
    t.ok(mean(after) < 0.2 * mean(before), `${mean(after)} of ${mean(before)}`)
  })
}

t.test('on wasm a batch of N gives N batches of one up to the rounding of products', async t => {
  const p = problem({ kind: 'l2', radius: 0.3 }, 9, 6)
  const { model } = tanhModel(p.weights)
  for (const [name, attack] of attacks) {
    const all = run(attack, p, model)
    for (const i of upTo(9)) {
      const alone = run(attack, p, model, [i])
      const apart = alone.point.map((v, j) => Math.abs(v - all.point[i * 6 + j]!))
      t.ok(Math.max(...apart) < ROUNDING, name)
    }
  }
})

t.test('any radius, dimension and seed: inside, and no worse than clean', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...setKinds),
      fc.double({ min: 0, max: 1.5, noNaN: true }),
      fc.integer({ min: 2, max: 12 }),
      fc.integer({ min: 0, max: 1e6 }),
      (kind, radius, d, seed) => {
        const p = problem({ kind, radius }, 8, d, seed)
        const { model } = tanhModel(p.weights)
        const clean = run(identity(), p, model)
        const { point, loss } = run(pgd({ steps: 3, start: 'clean', stepSize: 0.7 }), p, model)
        const inside = tidied(() =>
          p.set.contains(tf.tensor2d(p.x, [8, d]), tf.tensor2d(point, [8, d])).dataSync(),
        )
        return inside.every(v => v === 1) && loss.every((v, i) => v >= clean.loss[i]! - ROUNDING)
      },
    ),
    { numRuns: 200, seed: 1 },
  )
})

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
      tidied(() => {
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

t.test('the linear oracle in l2: the threshold is |f|/‖w‖', async t => {
  const w = [3, -1, 2]
  const x = [0.2, 0.1, -0.4]
  const f = 3 * 0.2 - 0.1 - 0.8
  const exact = Math.abs(f) / Math.hypot(...w)
  const succeeds = (attack: Attack, radius: number) =>
    tidied(() => {
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
    const { fosc, loss } = tidied(() => {
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
    const gap = tidied(() => {
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
    tidied(() => {
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

t.test('a saturated loss keeps its direction', async t => {
  // logistic at v = 20: ℓ' = −2e-9, far below FLAT, but ∇f = w is not.
  const model = linearModel([[0, 5]], [20])
  const { distance, point } = tidied(() => {
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
  const [clean, found] = tidied(() => {
    const p = problem({ kind: 'linf', radius: 0.1 }, 50, 5)
    const options = { set: p.set, loss: lossFrom('cross-entropy'), key: keyFor(upTo(50)) }
    const x = tf.tensor2d(p.x, [50, 5])
    const y = tf.tensor1d(Float32Array.from(upTo(50), i => i % 4))
    return [identity(), pgd()].map(attack => read(attack.run(model, x, y, options)))
  })
  t.ok(mean(found!.loss) > mean(clean!.loss) + 0.1)
  t.ok(mean(found!.success) > mean(clean!.success))
})

t.test('queries and gradient steps are what the model was asked for', async t => {
  const p = problem({ kind: 'l2', radius: 0.3 }, 4, 6)
  for (const [name, attack] of [
    ...attacks,
    ['fosc', pgd({ steps: 3, fosc: true })] as [string, Attack],
  ]) {
    const { model, passes } = tanhModel(p.weights)
    const { gradientSteps, queries } = tidied(() => {
      const options = { set: p.set, loss: huber, key: keyFor(upTo(4)) }
      const result = attack.run(model, tf.tensor2d(p.x, [4, 6]), tf.tensor1d(p.y), options)
      return { gradientSteps: result.gradientSteps, queries: result.queries }
    })
    t.equal(queries, passes.forward + passes.gradient, name)
    t.equal(gradientSteps, passes.gradient - (name === 'fosc' ? 1 : 0), name)
  }
})

t.test('tensors neither leak nor pile up, and arguments stay as they were', async t => {
  const p = problem({ kind: 'box-l2', radius: 0.3 }, 10, 6)
  const { model } = tanhModel(p.weights)
  const x = tf.tensor2d(p.x, [10, 6])
  const y = tf.tensor1d(p.y)
  const counts: number[] = []
  const onProgress = () => counts.push(tf.memory().numTensors)
  const options = { set: p.set, loss: huber, key: keyFor(upTo(10)), onProgress }
  const before = tf.memory().numTensors
  for (const [name, attack] of [
    ...attacks,
    ['long', pgd({ steps: 30, fosc: true })] as [string, Attack],
  ]) {
    counts.length = 0
    const result = attack.run(model, x, y, options)
    t.ok(Math.max(...counts, 0) - Math.min(...counts, 1e9) <= 0 || counts.length === 0, name)
    const { raw, point, outputs, success, distance, loss, fosc } = result
    tf.dispose([raw, point, outputs, success, distance, loss])
    fosc?.dispose()
    t.equal(tf.memory().numTensors, before, name)
  }
  t.same([x.dataSync(), y.dataSync()], [p.x, p.y])
  x.dispose()
  y.dispose()
})

t.test('a stop is heeded between steps, and frees everything', async t => {
  const p = problem({ kind: 'l2', radius: 0.3 }, 10, 6)
  const { model } = tanhModel(p.weights)
  const x = tf.tensor2d(p.x, [10, 6])
  const y = tf.tensor1d(p.y)
  const before = tf.memory().numTensors
  const signal = { aborted: false }
  const seen: [number, number][] = []
  const onProgress = (done: number, total: number) => {
    seen.push([done, total])
    signal.aborted = done === 3
  }
  const options = { set: p.set, loss: huber, key: keyFor(upTo(10)), signal, onProgress }
  t.throws(() => pgd({ steps: 5, restarts: 2 }).run(model, x, y, options), { code: 'STOPPED' })
  t.same(seen, [
    [1, 10],
    [2, 10],
    [3, 10],
  ])
  t.throws(() => fgsm().run(model, x, y, options), { code: 'STOPPED' })
  t.throws(() => uniform({ draws: 2 }).run(model, x, y, options), { code: 'STOPPED' })
  t.equal(tf.memory().numTensors, before)
  x.dispose()
  y.dispose()
})

t.test('starts are keyed: seed, purpose, step and example decide, and nothing else', async t => {
  const p = problem({ kind: 'l2', radius: 0.3 }, 2, 6)
  const { model } = tanhModel(p.weights)
  const same = { ...p, x: Float32Array.from([...p.x.slice(0, 6), ...p.x.slice(0, 6)]) }
  const start = (changes: object) =>
    tidied(() => {
      const key = { ...keyFor([4, 4]), ...changes }
      const options = { set: same.set, loss: huber, key }
      const x = tf.tensor2d(same.x, [2, 6])
      return uniform()
        .run(model, x, tf.tensor1d([1, 1]), options)
        .point.dataSync()
    })
  const first = start({})
  t.same(first, start({}))
  t.same(first.slice(0, 6), first.slice(6))
  for (const change of [{ seed: 6 }, { purpose: 'evaluation' }, { step: 4 }, { examples: [5, 5] }])
    t.notSame(first, start(change))
})

t.test('attacks rebuild from their specs', async t => {
  const p = problem({ kind: 'linf', radius: 0.2 }, 5, 6)
  const { model } = tanhModel(p.weights)
  for (const [name, attack] of attacks) {
    const again = attackFrom(JSON.parse(JSON.stringify(attack.spec)))
    t.same(again.spec, attack.spec, name)
    t.same(run(again, p, model).point, run(attack, p, model).point, name)
  }
})

t.test('what does not fit is refused with a reason', async t => {
  for (const options of [
    { steps: 0 },
    { steps: 1.5 },
    { restarts: 0 },
    { stepSize: 0 },
    { stepSize: Number.NaN },
    { start: 'clean', restarts: 2 },
  ] as const)
    t.throws(() => pgd(options), { code: 'CONFIG' })
  t.throws(() => uniform({ draws: 0 }), { code: 'CONFIG' })
  const p = problem({ kind: 'l2', radius: 0.2 }, 3, 5)
  const { model: classes } = tanhModel(tinyWeights(5, 4, 1))
  const { model: scalar } = tanhModel(p.weights)
  const attempt = (
    attack: Attack,
    model: Attackable,
    changes: { loss?: string; labels?: number; examples?: number },
  ) => {
    const { loss = 'huber:1', labels = 3, examples = 3 } = changes
    return () =>
      tidied(() => {
        const options = { set: p.set, loss: lossFrom(loss), key: keyFor(upTo(examples)) }
        attack.run(model, tf.tensor2d(p.x, [3, 5]), tf.zeros([labels]) as tf.Tensor1D, options)
      })
  }
  t.throws(attempt(fgsm(), classes, {}), { code: 'CONFIG' })
  t.throws(attempt(fgsm(), scalar, { loss: 'cross-entropy' }), { code: 'CONFIG' })
  const twoSided = pgd({ objective: 'two-sided' })
  t.throws(attempt(twoSided, classes, { loss: 'cross-entropy' }), { code: 'CONFIG' })
  t.throws(attempt(fgsm(), scalar, { labels: 2 }), { code: 'SHAPE' })
  t.throws(attempt(fgsm(), scalar, { examples: 2 }), { code: 'SHAPE' })
})

function mean(x: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]!
  return sum / x.length
}
