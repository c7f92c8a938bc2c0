import {
  type Attack,
  type Attackable,
  bisection,
  identity,
  misclassification,
  nesPartial,
  pgd,
  restarted,
  runRadii,
  type StartingPoints,
  takesStartingPoints,
  targeted,
  worstCase,
} from '@saddle/attacks'
import { lossFrom, openStream, perturbationSetFrom, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import { keyFor, sameBits } from '../fixtures.js'
import { modelOf, outcome, pairs, searches, type Task, task } from '../searches.js'

/** Adversarial points that the user knows, for the attacks that walk from one. */

await useBackend('cpu')

const walks = pairs.filter(
  ({ attack }) => takesStartingPoints(attack.spec) && attack.spec.kind !== 'bisection',
)
const minimum = walks.filter(({ attack }) => attack.aim === 'minimum-norm')

/** For every example a random point that is adversarial, as the criterion finds it in a pass over it alone. */
function adversarialPoints(p: Task, model: Attackable, seed: number): Float32Array[] {
  const stream = openStream({ seed, purpose: 'test.starts' })
  const boxed = p.kind.startsWith('box-l')
  return Array.from({ length: p.n }, (_, i) => {
    for (;;) {
      const row = new Float32Array(p.d)
      if (boxed) row.set(row.map(() => stream.uniform()))
      else stream.fillNormal(row)
      const found = scoped(() => {
        const outputs = model.forward(tf.tensor2d(row, [1, p.d]))
        return misclassification.isAdversarial(outputs, tf.tensor1d([p.y[i]!])).dataSync()[0]
      })
      if (found === 1) return row
    }
  })
}

const rowsOf = (points: Float32Array, d: number) =>
  Array.from({ length: points.length / d }, (_, i) => points.slice(i * d, (i + 1) * d))

const l2 = (a: Float32Array, b: Float32Array) => Math.hypot(...a.map((v, j) => v - b[j]!))
const linf = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, v, j) => Math.max(most, Math.abs(v - b[j]!)), 0)

t.test('what is found is adversarial and no farther than the point that was given', t => {
  for (const { name, kind, attack } of minimum) {
    const norm = kind.endsWith('linf') ? linf : l2
    fc.assert(
      fc.property(fc.nat(1e6), fc.constantFrom(1, 2, 4), (seed, outputs) => {
        const p = task(kind, 0.3, outputs, 4)
        const { model } = modelOf(p)
        const startingPoints = adversarialPoints(p, model, seed)
        const { raw, queries } = outcome(attack, p, model, { startingPoints }, (found, _, y) => {
          const flags = misclassification.isAdversarial(model.forward(found.raw), y).dataSync()
          t.same([...flags], [1, 1, 1, 1], `${name} in ${kind}, ${outputs} outputs`)
        })
        rowsOf(raw, p.d).forEach((row, i) => {
          const x = p.x.slice(i * p.d, (i + 1) * p.d)
          // Coordinates below 8, each rounded to float32 once more.
          t.ok(norm(row, x) <= norm(startingPoints[i]!, x) + 1e-6, `${name} in ${kind}, ${seed}`)
        })
        // x_0, the point given, 60 steps with 20 more questions, the fresh pass: nothing is drawn.
        if (name === 'boundary') t.ok(Math.max(...queries) <= 1 + 1 + 80 + 1)
      }),
      { numRuns: 8, seed: 3 },
    )
  }
  t.end()
})

t.test('a batch of N is N batches of one, in any order, bit for bit', async t => {
  const order = [2, 0, 1]
  for (const { name, kind, attack } of walks) {
    const p = task(kind, 0.3, 4, 3)
    const { model } = modelOf(p)
    const [first, , third] = adversarialPoints(p, model, 5)
    const startingPoints = [first!, null, third!]
    const all = outcome(attack, p, model, { startingPoints })
    const shuffled = outcome(attack, p, model, { rows: order, startingPoints })
    order.forEach((i, at) => {
      const alone = outcome(attack, p, model, { rows: [i], startingPoints })
      const row = (of: Float32Array, k: number) => of.slice(k * p.d, (k + 1) * p.d)
      t.ok(sameBits(row(shuffled.raw, at), row(all.raw, i)), `${name} in ${kind}, shuffled ${i}`)
      t.ok(sameBits(alone.raw, row(all.raw, i)), `${name} in ${kind}, ${i} alone`)
      t.equal(alone.queries[0], all.queries[i])
    })
  }
})

t.test(
  'without a point, or with one that is not adversarial, an example begins as ever',
  async t => {
    for (const { name, kind, attack } of walks) {
      const p = task(kind, 0.3, 4, 4)
      const { model } = modelOf(p)
      const plain = outcome(attack, p, model)
      const none = outcome(attack, p, model, { startingPoints: [null, null, null, null] })
      t.ok(sameBits(none.raw, plain.raw), `${name} in ${kind}`)
      t.same(none.queries, plain.queries)
      // x_0 itself is right, but for that of the last example, which is left alone.
      const own = outcome(attack, p, model, { startingPoints: rowsOf(p.x, p.d) })
      if (attack.aim === 'minimum-norm') {
        t.ok(sameBits(own.raw, plain.raw), `${name} in ${kind}, refused`)
        t.same(
          own.queries,
          plain.queries.map((count, i) => count + Number(i < 3)),
          'which costs a query',
        )
      } else t.ok(Math.max(...own.queries) <= attack.passes + 1, 'in the same budget')
    }
  },
)

t.test('the limited forms of NES keep the target of the point they are given', async t => {
  const p = task('box-linf', 0.05, 4, 1)
  const { model } = modelOf(p)
  const predicted = (row: Float32Array) =>
    scoped(() => tf.argMax(model.forward(tf.tensor2d(row, [1, p.d])), 1).dataSync()[0]!)
  // With a single draw x_0 is all there is, unless that draw is of the class.
  const attack = nesPartial({ draws: 1, blends: 1, samples: 10, queries: 2000 })
  let began = 0
  for (let seed = 0; seed < 20; seed++) {
    const [point] = adversarialPoints(p, model, seed)
    const wanted = predicted(point!)
    const criterion = targeted([wanted])
    const bare = outcome(attack, p, model, { criterion })
    if (!sameBits(bare.raw, p.x)) continue
    const { raw } = outcome(attack, p, model, { criterion, startingPoints: [point!] })
    t.equal(predicted(raw), wanted)
    t.ok(linf(raw, p.x) <= linf(point!, p.x) + 1e-6, 'and come no farther')
    began++
  }
  t.ok(began > 10, `${began} of 20`)
})

t.test('ensembles, restarts, radii and bisection hand on each example’s own point', async t => {
  const p = task('box-l2', 0.4, 4, 6)
  const { model } = modelOf(p)
  const startingPoints = adversarialPoints(p, model, 8)
  const walk = searches.boundary!.attack
  const alone = outcome(walk, p, model, { startingPoints })
  const ensembles: Attack[] = [
    // The first is not told of the points; it takes the last example out, so that those left have other places.
    worstCase([identity(), walk]),
    worstCase([identity(), pgd({ steps: 1, stepSize: 1e-6, start: 'clean' }), walk]),
    restarted(walk, 2),
    worstCase([identity(), worstCase([identity(), walk])]),
  ]
  for (const attack of ensembles) {
    const whole = outcome(attack, p, model, { startingPoints })
    for (let i = 0; i < 6; i++) {
      if (alone.success[i] === 0) continue
      const row = (of: Float32Array) => of.slice(i * p.d, (i + 1) * p.d)
      t.ok(sameBits(row(whole.point), row(alone.point)), `${attack.spec.kind}, example ${i}`)
    }
    t.ok(alone.success.filter(Boolean).length > 2)
  }
})

t.test('radii and bisection hand on each example’s own point', async t => {
  const p = task('box-linf', 0.1, 4, 5)
  const { model } = modelOf(p)
  const startingPoints = adversarialPoints(p, model, 2)
  // No draw finds a start, whatever the stream: what is found comes from the points that were given.
  const attack = nesPartial({ draws: 1, blends: 1, samples: 10, queries: 600, threshold: 2 })
  const radii = [0.02, 0.1, 0.3]
  const found = (rows: readonly number[]) =>
    scoped(() => {
      const at = (of: Float32Array, width: number) =>
        Float32Array.from(rows.flatMap(i => [...of.subarray(i * width, (i + 1) * width)]))
      const x = tf.tensor2d(at(p.x, p.d), [rows.length, p.d])
      const options = {
        set: perturbationSetFrom({ kind: p.kind, radius: 0.1 }),
        loss: lossFrom('cross-entropy'),
        key: keyFor(rows),
        startingPoints: rows.map(row => startingPoints[row]!),
      }
      const y = tf.tensor1d(at(p.y, 1))
      const grown = runRadii(attack, model, x, y, options, radii)
      const closest = bisection(attack, { steps: 3 }).run(model, x, y, options)
      return [...grown, closest].map(({ point }) => point.dataSync<'float32'>().slice())
    })
  const whole = found([0, 1, 2, 3, 4])
  for (let i = 0; i < 5; i++)
    found([i]).forEach((point, k) => {
      t.ok(sameBits(point, whole[k]!.slice(i * p.d, (i + 1) * p.d)), `example ${i}, ${k}`)
    })
  t.notOk(sameBits(whole[2]!, p.x))
})

t.test('points that cannot be begun at are refused, with what was expected', t => {
  const p = task('box-l2', 0.3, 4, 2)
  const { model } = modelOf(p)
  const good = Float32Array.from({ length: p.d }, () => 0.5)
  const walk = searches.boundary!.attack
  const refused = (startingPoints: StartingPoints, code: string, message: RegExp, attack = walk) =>
    t.throws(() => outcome(attack, p, model, { startingPoints }), { code, message })
  const run = (startingPoints: StartingPoints) =>
    scoped(() =>
      walk.run(model, tf.tensor2d(p.x, [2, p.d]), tf.tensor1d(p.y), {
        set: perturbationSetFrom({ kind: p.kind, radius: 0.3 }),
        loss: lossFrom('cross-entropy'),
        key: keyFor([0, 1]),
        startingPoints,
      }),
    )
  t.throws(() => run([good]), { code: 'SHAPE', message: /a row an example, 2 in all, got 1/ })
  refused([good, [0.5]], 'SHAPE', /expected 6 numbers an example.*got 1 in row 1/)
  refused([good, good.with(2, Number.NaN)], 'RANGE', /\[0, 1\].*got NaN at coordinate 2 of row 1/)
  refused([good.with(5, 1.001), good], 'RANGE', /got 1.00\d* at coordinate 5 of row 0/)
  refused([good, good], 'CONFIG', /"pgd" does not begin at.*boundary, hop-skip-jump/, pgd())
  refused([good, good], 'CONFIG', /"worst-case" does not/, worstCase([pgd(), identity()]))
  const free = task('l2', 0.3, 4, 2)
  const other = [Array.from(good, () => 1e39), good]
  t.throws(() => outcome(walk, free, model, { startingPoints: other }), {
    code: 'RANGE',
    message: /finite numbers, got 1e\+39/,
  })
  const far = [good.map(() => 7), good]
  t.doesNotThrow(() => outcome(walk, free, model, { startingPoints: far }), 'without a box')
  t.end()
})
