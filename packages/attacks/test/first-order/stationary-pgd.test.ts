import { pgd, stationaryPgd } from '@saddle/attacks'
import { scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import { huber, keyFor, problem, sameBits, setKinds, tanhModel, upTo } from '../fixtures.js'

await useBackend('cpu')

const cases = fc.record({
  kind: fc.constantFrom(...setKinds),
  seed: fc.nat(1000),
  n: fc.integer({ min: 1, max: 12 }),
})

/** The attack on a problem, with the model's rows of gradient passes. */
function found({ kind, seed, n }: { kind: (typeof setKinds)[number]; seed: number; n: number }) {
  const p = problem({ kind, radius: 0.3 }, n, 5, seed)
  const { model } = tanhModel(p.weights)
  const x = tf.tensor2d(p.x, [p.n, p.d])
  const y = tf.tensor1d(p.y)
  return { p, model, x, y, options: { set: p.set, loss: huber, key: keyFor(upTo(n)) } }
}

t.test('with criterion 0 it is PGD that keeps its last iterate, to the bit', async () => {
  fc.assert(
    fc.property(cases, one =>
      scoped(() => {
        const { model, x, y, options } = found(one)
        const search = { steps: 6, stepSize: 0.4 }
        const a = stationaryPgd({ ...search, criterion: 0 }).search(model, x, y, options)
        const b = pgd({ ...search, keepBest: false }).search(model, x, y, options)
        return (
          sameBits(a.point.dataSync(), b.point.dataSync()) &&
          String(a.queries) === String(b.queries) &&
          String(a.gradientSteps) === String(b.gradientSteps)
        )
      }),
    ),
    { numRuns: 30 },
  )
})

t.test('an example stops at its first point with FOSC ≤ c, and not before', async t => {
  let [early, late] = [0, 0]
  fc.assert(
    fc.property(cases, fc.double({ min: 0.01, max: 0.4, noNaN: true }), (one, criterion) =>
      scoped(() => {
        const { model, x, y, options, p } = found(one)
        const steps = 6
        const { point, gradientSteps, queries } = stationaryPgd({
          steps,
          stepSize: 0.4,
          criterion,
        }).search(model, x, y, options)
        const all = upTo(p.n)
        // PGD of k steps is where the search was after k of them.
        const iterates = Array.from({ length: steps + 1 }, (_, k) => {
          if (k > 0) {
            const attack = pgd({ steps: k, stepSize: 0.4, keepBest: false, fosc: true })
            return attack.run(model, x, y, options)
          }
          return stationaryPgd({ steps: 1, criterion: 1e9, fosc: true }).run(model, x, y, options)
        })
        const gaps = iterates.map(({ fosc }) => fosc!.dataSync())
        const points = iterates.map(iterate => iterate.point.dataSync())
        return all.every(i => {
          const first = gaps.findIndex(gap => gap[i]! <= criterion)
          const stop = first < 0 || first >= steps ? steps : first
          // A gap within rounding of the criterion may fall to either side.
          if (gaps.some(gap => Math.abs(gap[i]! - criterion) < 1e-6)) return true
          if (stop < steps) early++
          else late++
          const row = (from: ArrayLike<number>) => Array.from(from).slice(i * p.d, (i + 1) * p.d)
          const close = row(point.dataSync()).every(
            (v, j) => Math.abs(v - row(points[stop]!)[j]!) < 1e-5,
          )
          return gradientSteps[i] === stop && queries[i] === Math.min(stop + 1, steps) && close
        })
      }),
    ),
    { numRuns: 30 },
  )
  t.ok(early > 20 && late > 20, `${early} stopped early, ${late} did not`)
})

t.test('a batch of N is N batches of one; stopped examples leave it', async t => {
  scoped(() => {
    const one = { kind: 'cap', seed: 3, n: 30 } as const
    const { model, x, y, options } = found(one)
    const rows: number[] = []
    const counted = {
      ...model,
      inputGradient: (...[at, c]: Parameters<typeof model.inputGradient>) => {
        rows.push(at.shape[0])
        return model.inputGradient(at, c)
      },
    }
    const attack = stationaryPgd({ steps: 8, criterion: 0.1 })
    const whole = attack.search(counted, x, y, options)
    t.ok(rows.at(-1)! < rows[0]!, `passes of ${rows} rows`)
    for (let i = 0; i < 30; i++) {
      const alone = attack.search(model, tf.slice(x, i, 1), tf.slice(y, i, 1), {
        ...options,
        key: keyFor([i]),
      })
      t.equal(alone.gradientSteps[0], whole.gradientSteps[i])
      const gap = tf.max(tf.abs(tf.sub(alone.point, tf.slice(whole.point, i, 1)))).dataSync()[0]!
      t.ok(gap < 1e-5)
    }
  })
})

t.test('criteria that are no numbers ≥ 0 are refused, and a search can be stopped', async t => {
  t.throws(() => stationaryPgd({ criterion: -1 }), { code: 'CONFIG', message: /criterion/ })
  t.throws(() => stationaryPgd({ steps: 0 }), { code: 'CONFIG', message: /steps/ })
  scoped(() => {
    const { model, x, y, options } = found({ kind: 'l2', seed: 1, n: 3 })
    const signal = { aborted: true }
    t.throws(() => stationaryPgd().search(model, x, y, { ...options, signal }), { code: 'STOPPED' })
  })
})
