import {
  type Attack,
  type Attackable,
  attackFrom,
  bindNetwork,
  fgsm,
  pgd,
  uniform,
} from '@saddle/attacks'
import {
  deepReluNetwork,
  lossFrom,
  type Network,
  type Parameters,
  scoped,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { huber, keyFor, problem, tanhModel, tinyWeights, upTo } from '../fixtures.js'
import { attacks, run } from '../table.js'

/** What running an attack costs, keeps and refuses. */

const blas = await useBackend('blas').then(
  () => true,
  () => false,
)
await useBackend('wasm')

t.test('queries and gradient steps are what the model was asked for', async t => {
  const p = problem({ kind: 'l2', radius: 0.3 }, 4, 6)
  for (const [name, attack] of [
    ...attacks,
    ['fosc', pgd({ steps: 3, fosc: true })] as [string, Attack],
  ]) {
    const { model, passes } = tanhModel(p.weights)
    const { gradientSteps, queries } = scoped(() => {
      const options = { set: p.set, loss: huber, key: keyFor(upTo(4)) }
      const result = attack.run(model, tf.tensor2d(p.x, [4, 6]), tf.tensor1d(p.y), options)
      return { gradientSteps: result.gradientSteps, queries: result.queries }
    })
    t.equal(Math.max(...queries), passes.forward + passes.gradient, name)
    t.equal(Math.max(...gradientSteps), passes.gradient - (name === 'fosc' ? 1 : 0), name)
  }
})

for (const backend of [...(blas ? ['blas'] : []), 'cpu', 'wasm'])
  t.test(
    `on ${backend} tensors neither leak nor pile up, and arguments stay as they were`,
    async t => {
      await useBackend(backend)
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
        attack.search(model, x, y, options).point.dispose()
        t.equal(tf.memory().numTensors, before, `${name}, a search`)
        const result = attack.run(model, x, y, options)
        t.ok(Math.max(...counts, 0) <= (counts[0] ?? 0), `${name}: no more than at the first step`)
        const { raw, point, outputs, success, distance, loss, fosc } = result
        tf.dispose([raw, point, outputs, success, distance, loss])
        fosc?.dispose()
        t.equal(tf.memory().numTensors, before, name)
      }
      t.same([x.dataSync(), y.dataSync()], [p.x, p.y])
      x.dispose()
      y.dispose()
      await useBackend('wasm')
    },
  )

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

t.test('a model that follows takes the gradient steps, and none of what is reported', async t => {
  const p = problem({ kind: 'cap', radius: 0.3 }, 4, 6)
  const { model, passes } = tanhModel(p.weights)
  const followed = { opened: 0, passes: 0 }
  const follower: Attackable = {
    ...model,
    follow() {
      followed.opened++
      const { model: own } = tanhModel(p.weights)
      return (x, cotangent) => {
        followed.passes++
        return own.inputGradient(x, cotangent)
      }
    },
  }
  for (const options of [
    { steps: 3, fosc: true },
    { steps: 3, restarts: 2, objective: 'two-sided', fosc: true },
    { steps: 3, keepBest: false, fosc: true },
  ] as const) {
    Object.assign(followed, { opened: 0, passes: 0 })
    Object.assign(passes, { forward: 0, gradient: 0 })
    const searches = 'restarts' in options ? 4 : 1
    const judged = 'keepBest' in options ? 0 : searches
    const found = run(pgd(options), p, follower)
    t.same(followed, { opened: 1, passes: 3 * searches }, 'one memory for all restarts and sides')
    t.same(passes, { forward: judged, gradient: 1 }, 'the plain gradient pass is that of FOSC')
    t.same(found, run(pgd(options), p, model))
  }
  Object.assign(followed, { opened: 0, passes: 0 })
  run(fgsm(), p, follower)
  t.same(followed, { opened: 0, passes: 0 }, 'a single step has nothing to remember')
})

t.test('a network that follows makes a model that follows, at its parameters', async t => {
  const network = deepReluNetwork({ inputs: 6, width: 16 })
  const parameters = network.initialise(1)
  const asked: Parameters[] = []
  const following: Network = {
    ...network,
    follow(at) {
      asked.push(at)
      return network.follow(at)
    },
  }
  const p = problem({ kind: 'cap', radius: 0.3 }, 4, 6)
  const model = bindNetwork(following, parameters)
  const found = run(pgd({ steps: 2 }), p, model)
  t.equal(asked.length, 1)
  t.equal(asked[0], parameters)
  const { follow: _, ...plain } = model
  const apart = run(pgd({ steps: 2 }), p, plain).point.map((v, i) => Math.abs(v - found.point[i]!))
  // The same passes up to the rounding of float32, for coordinates of order 1.
  t.ok(Math.max(...apart) < 1e-5)
})

t.test('no attack changes a weight', async t => {
  const p = problem({ kind: 'box-linf', radius: 0.2 }, 6, 6)
  const network = deepReluNetwork({ inputs: 6, width: 16 })
  const parameters = network.initialise(2)
  const weights = () => Buffer.from(JSON.stringify(parameters, plain)).toString('base64')
  const before = weights()
  for (const [, attack] of attacks) run(attack, p, bindNetwork(network, parameters))
  t.equal(weights(), before)
})

/** Typed arrays as lists, so that every number is compared. */
function plain(_: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) ? [...(value as Float32Array)] : value
}

t.test('starts are keyed: seed, purpose, step and example decide, and nothing else', async t => {
  const p = problem({ kind: 'l2', radius: 0.3 }, 2, 6)
  const { model } = tanhModel(p.weights)
  const same = { ...p, x: Float32Array.from([...p.x.slice(0, 6), ...p.x.slice(0, 6)]) }
  const start = (changes: object) =>
    scoped(() => {
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
      scoped(() => {
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
