import { type Attackable, lossAbove, misclassification, targeted } from '@saddle/attacks'
import { lossFrom, perturbationSetFrom, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { keyFor, sameBits, upTo } from '../fixtures.js'
import { modelOf, outcome, pairs, searches, task } from '../searches.js'

/** What every attack that searches example by example promises, in every set that it takes. */

const arrays = await useBackend('blas').then(
  () => 'blas',
  () => 'cpu',
)

for (const outputs of [1, 2, 4])
  t.test(
    `${outputs} outputs: inside the set, success as a fresh pass finds it, inputs untouched`,
    async t => {
      for (const backend of outputs === 4 ? [arrays, 'wasm'] : [arrays]) {
        await useBackend(backend)
        for (const { name, kind, attack } of pairs) {
          const p = task(kind, 0.3, outputs, 6)
          const { model } = modelOf(p)
          const found = outcome(attack, p, model, {}, (result, x, y) => {
            const set = perturbationSetFrom({ kind, radius: 0.3 })
            const scores = model.forward(set.embed(result.point))
            const label = `${name} in ${kind} on ${backend}`
            t.notOk(set.contains(x, result.point).dataSync().includes(0), `${label}: inside`)
            t.ok(sameBits(scores.dataSync(), result.outputs.dataSync()), `${label}: outputs`)
            t.same(
              result.success.dataSync(),
              misclassification.isAdversarial(scores, y).dataSync(),
              `${label}: success`,
            )
            t.ok(sameBits(x.dataSync(), p.x), `${label}: inputs`)
            t.ok(sameBits(y.dataSync(), p.y), `${label}: labels`)
          })
          t.equal(found.success[5], 1, `${name}: wrong to begin with`)
          t.same(found.point.slice(5 * p.d), p.x.slice(5 * p.d), `${name}: and left alone`)
          t.equal(found.queries[5], 2, `${name}: for one query and the fresh pass`)
        }
      }
    },
  )

t.test('the raw point of a minimum-norm attack is adversarial, or x itself', async t => {
  await useBackend(arrays)
  let broken = 0
  for (const { name, kind, attack } of pairs) {
    if (attack.aim !== 'minimum-norm') continue
    const p = task(kind, 0.3, 4, 6)
    const { model } = modelOf(p)
    outcome(attack, p, model, {}, ({ raw }, x, y) => {
      const set = perturbationSetFrom({ kind, radius: 0.3 })
      const adversarial = misclassification
        .isAdversarial(model.forward(set.embed(raw)), y)
        .dataSync()
      const [from, to] = [x.dataSync(), raw.dataSync()]
      adversarial.forEach((flag, i) => {
        const still = sameBits(from.slice(i * p.d, (i + 1) * p.d), to.slice(i * p.d, (i + 1) * p.d))
        t.ok(flag === 1 || still, `${name} in ${kind}, example ${i}`)
        broken += flag
      })
    })
  }
  t.ok(broken > 90, `and most are found: ${broken}`)
})

t.test('radius 0 returns the input bit for bit', async t => {
  await useBackend(arrays)
  for (const { name, kind, attack } of pairs) {
    const p = task(kind, 0, 4, 5)
    t.ok(sameBits(outcome(attack, p, modelOf(p).model).point, p.x), `${name} in ${kind}`)
  }
})

t.test('a batch of N is N batches of one, in any order, bit for bit', async t => {
  await useBackend('cpu')
  const order = [2, 0, 1]
  for (const outputs of [1, 4])
    for (const { name, kind, attack } of pairs) {
      const p = task(kind, 0.3, outputs, 3)
      const { model } = modelOf(p)
      const all = outcome(attack, p, model)
      const shuffled = outcome(attack, p, model, { rows: order })
      const differing = order.filter((i, at) => {
        const row = (of: Float32Array, k: number) => of.slice(k * p.d, (k + 1) * p.d)
        const alone = outcome(attack, p, model, { rows: [i] })
        return (
          !sameBits(row(shuffled.raw, at), row(all.raw, i)) ||
          !sameBits(alone.raw, row(all.raw, i)) ||
          shuffled.queries[at] !== all.queries[i] ||
          alone.queries[0] !== all.queries[i] ||
          alone.gradientSteps[0] !== all.gradientSteps[i]
        )
      })
      t.same(differing, [], `${name} in ${kind}, ${outputs} outputs`)
    }
})

t.test('queries and gradient steps are the rows that the model was asked for', async t => {
  await useBackend(arrays)
  for (const { name, kind, attack, access } of pairs) {
    const p = task(kind, 0.3, 4, 6)
    const { model } = modelOf(p)
    const rows = { forward: 0, gradient: 0 }
    const counting: Attackable = {
      outputs: model.outputs,
      forward(x) {
        rows.forward += x.shape[0]
        return model.forward(x)
      },
      inputGradient(x, cotangent) {
        rows.gradient += x.shape[0]
        return model.inputGradient(x, cotangent)
      },
    }
    const sum = (counts: Int32Array) => counts.reduce((a, b) => a + b, 0)
    const { queries, gradientSteps } = outcome(attack, p, counting)
    t.equal(sum(queries), rows.forward + rows.gradient, `${name} in ${kind}`)
    t.equal(sum(gradientSteps), rows.gradient, name)
    t.equal(rows.gradient === 0, access !== 'gradients', name)
    // These three ask for several rows a pass, or know what a pass of another attack takes only roughly.
    if (!/^(fab|deepfool|bisection)/.test(name))
      t.ok(Math.max(...queries) <= attack.passes + 1, `${name}: ${queries} of ${attack.passes}`)
  }
})

t.test('an attack by scores never asks for a gradient; one by decisions sees no score', async t => {
  await useBackend('cpu')
  for (const { name, kind, attack, access } of pairs) {
    if (access === 'gradients') continue
    const p = task(kind, 0.3, 4, 4)
    const { model } = modelOf(p)
    const noGradient: Attackable = {
      outputs: model.outputs,
      forward: x => model.forward(x),
      inputGradient: () => t.fail(`${name} asked for a gradient`) as never,
    }
    const found = outcome(attack, p, noGradient)
    if (access !== 'decisions') continue
    // Increasing functions of the scores leave every decision as it is.
    const distorted: Attackable = {
      ...noGradient,
      forward: x => tf.tidy(() => tf.exp(tf.mul(2, model.forward(x))) as tf.Tensor2D),
    }
    t.ok(sameBits(outcome(attack, p, distorted).raw, found.raw), name)
  }
})

t.test('the label-only form of NES sees no score but the ranking', async t => {
  await useBackend('cpu')
  const p = task('box-linf', 0.3, 4, 4)
  const { model } = modelOf(p)
  const distorted: Attackable = {
    ...model,
    forward: x => tf.tidy(() => tf.exp(tf.mul(2, model.forward(x))) as tf.Tensor2D),
  }
  for (const [name, same] of [
    ['nes-label-only', true],
    ['nes-partial', false],
  ] as const) {
    const { attack } = searches[name]!
    const [plain, other] = [model, distorted].map(m => outcome(attack, p, m).raw)
    t.equal(sameBits(plain!, other!), same, name)
  }
})

t.test('with a target, success means that the prediction is the target', async t => {
  await useBackend(arrays)
  let reached = 0
  for (const outputs of [1, 2, 4])
    for (const { name, kind, attack } of pairs) {
      const p = task(kind, 0.8, outputs, 4)
      const { model } = modelOf(p)
      const wanted = p.y.map(y => (outputs === 1 ? -y : (y + 1) % outputs))
      outcome(attack, p, model, { criterion: targeted(wanted) }, ({ point, success }) => {
        const set = perturbationSetFrom({ kind, radius: 0.8 })
        const scores = model.forward(set.embed(point)).dataSync()
        const predicted = Array.from(wanted, (_, i) => {
          const z = Array.from(scores.slice(i * outputs, (i + 1) * outputs))
          return outputs === 1 ? Math.sign(z[0]!) : z.indexOf(Math.max(...z))
        })
        const hits = Uint8Array.from(predicted, (label, i) => Number(label === wanted[i]))
        t.same(success.dataSync(), hits, `${name} in ${kind}, ${outputs} outputs`)
        reached += hits.reduce((a, b) => a + b, 0)
      })
    }
  t.ok(reached > 250, `and many are reached: ${reached}`)
})

t.test('other sets and criteria are refused by name', async t => {
  await useBackend(arrays)
  for (const [name, { attack, sets, access }] of Object.entries(searches)) {
    if (name === 'bisection') continue
    const [other] = (['lift-l2', 'l2', 'linf'] as const).filter(kind => !sets.includes(kind))
    const p = task(other!, 0.3, 4, 2)
    t.throws(() => outcome(attack, p, modelOf(p).model), {
      code: 'CONFIG',
      message: new RegExp(`got "${other}"`),
    })
    const q = task(sets[0]!, 0.3, 4, 2)
    const criterion = lossAbove(lossFrom('cross-entropy'), 1)
    const run = () => outcome(attack, q, modelOf(q).model, { criterion })
    if (access === 'decisions') t.doesNotThrow(run, name)
    else t.throws(run, { code: 'CONFIG', message: /loss-above:1/ }, name)
  }
})

t.test('a signal stops the search, and nothing is left behind', async t => {
  await useBackend(arrays)
  for (const [name, { attack, sets }] of Object.entries(searches)) {
    const p = task(sets[0]!, 0.3, 4, 3)
    const { model } = modelOf(p)
    const before = tf.memory().numTensors
    let rounds = 0
    const signal = {
      get aborted() {
        return ++rounds > 2
      },
    }
    t.throws(
      () =>
        scoped(() =>
          attack.run(model, tf.tensor2d(p.x, [3, p.d]), tf.tensor1d(p.y), {
            set: perturbationSetFrom({ kind: p.kind, radius: 0.3 }),
            loss: lossFrom('cross-entropy'),
            key: keyFor(upTo(3)),
            signal,
          }),
        ),
      { code: 'STOPPED' },
      name,
    )
    outcome(attack, p, model)
    t.equal(tf.memory().numTensors, before, name)
  }
})
