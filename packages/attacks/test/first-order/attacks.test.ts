import { identity, pgd, uniform } from '@saddle/attacks'
import { misclassified, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import { huber, keyFor, problem, sameBits, setKinds, tanhModel, upTo } from '../fixtures.js'
import { attacks, mean, run } from '../table.js'

/** Float32 rounding of coordinates and losses of order 1. */
const ROUNDING = 1e-5

const arrays = await useBackend('blas').then(
  () => 'blas',
  () => 'cpu',
)
await useBackend('wasm')

for (const kind of setKinds) {
  t.test(`${kind}: every attack stays in the set and reports what a fresh pass finds`, async t => {
    for (const backend of [arrays, 'wasm']) {
      await useBackend(backend)
      const p = problem({ kind, radius: 0.3 }, 200, 6)
      const { model } = tanhModel(p.weights)
      for (const [name, attack] of attacks) {
        scoped(() => {
          const x = tf.tensor2d(p.x, [p.n, p.d])
          const y = tf.tensor1d(p.y)
          const key = keyFor(upTo(p.n))
          const result = attack.run(model, x, y, { set: p.set, loss: huber, key })
          const inside = p.set.contains(x, result.point).dataSync()
          const outputs = model.forward(p.set.embed(result.point))
          const fresh = {
            outputs,
            success: misclassified(outputs, y, 'scalar'),
            loss: huber.value(outputs, y),
            distance: p.set.distance(x, result.point),
          }
          const differing = (Object.keys(fresh) as (keyof typeof fresh)[]).filter(
            field => !sameBits(result[field].dataSync(), fresh[field].dataSync()),
          )
          t.equal(inside.indexOf(0), -1, `${name}: inside, on ${backend}`)
          t.same(differing, [], `${name}: as fresh, on ${backend}`)
          t.equal(result.fosc, null)
        })
      }
    }
  })

  t.test(`${kind}: a search finds the bits of a run, without its fresh pass`, async t => {
    const p = problem({ kind, radius: 0.3 }, 20, 6)
    for (const backend of [arrays, 'wasm']) {
      await useBackend(backend)
      for (const [name, attack] of attacks) {
        const { model, passes } = tanhModel(p.weights)
        scoped(() => {
          const x = tf.tensor2d(p.x, [p.n, p.d])
          const y = tf.tensor1d(p.y)
          const options = { set: p.set, loss: huber, key: keyFor(upTo(p.n)) }
          const found = attack.search(model, x, y, options)
          const taken = passes.forward + passes.gradient
          const reported = attack.run(model, x, y, options)
          t.ok(sameBits(found.point.dataSync(), reported.point.dataSync()), `${name} on ${backend}`)
          t.equal(Math.max(...found.queries), taken, name)
          t.same(
            found.queries,
            reported.queries.map(count => count - 1),
            name,
          )
          t.same(found.gradientSteps, reported.gradientSteps, name)
        })
      }
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
    for (const [one, , several] of [losses, drawn])
      t.ok(several!.filter((loss, i) => loss > one![i]! + 1e-3).length > 10, 'and some gain')
  })

  t.test(`${kind}: the order of a batch does not matter, nor what else is in it`, async t => {
    const p = problem({ kind, radius: 0.3 }, 6, 6)
    const { model } = tanhModel(p.weights)
    const order = [3, 0, 5, 1, 2, 4]
    await useBackend('cpu')
    for (const [name, attack] of attacks) {
      const all = run(attack, p, model)
      const shuffled = run(attack, p, model, order)
      const differing = order.filter((i, at) => {
        const expected = all.point.slice(i * 6, (i + 1) * 6)
        const permuted = shuffled.point.slice(at * 6, (at + 1) * 6)
        const alone = run(attack, p, model, [i]).point
        return !sameBits(permuted, expected) || !sameBits(alone, expected)
      })
      t.same(differing, [], name)
    }
    await useBackend('wasm')
  })

  t.test(`${kind}: FOSC is never negative, and PGD brings it down`, async t => {
    const p = problem({ kind, radius: 0.3 }, 300, 6)
    const { model } = tanhModel(p.weights)
    const before = run(identity({ fosc: true }), p, model).fosc!
    const after = run(pgd({ steps: 25, stepSize: 0.15, fosc: true }), p, model).fosc!
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
        const inside = scoped(() =>
          p.set.contains(tf.tensor2d(p.x, [8, d]), tf.tensor2d(point, [8, d])).dataSync(),
        )
        return inside.every(v => v === 1) && loss.every((v, i) => v >= clean.loss[i]! - ROUNDING)
      },
    ),
    { numRuns: 100, seed: 1 },
  )
})
