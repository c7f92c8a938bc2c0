import {
  type Attackable,
  type AttackOptions,
  autoAttack,
  autoAttackMembers,
  bim,
  disposeResult,
  expectationOver,
  fgsm,
  identity,
  pgd,
  restarted,
  runRadii,
  targeted,
  uniform,
  worstCase,
} from '@saddle/attacks'
import { lossFrom, perturbationSetFrom, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import {
  huber,
  keyFor,
  linearModel,
  problem,
  sameBits,
  setKinds,
  tanhModel,
  tinyWeights,
  upTo,
} from '../fixtures.js'
import { attacks, mean, read, run } from '../table.js'

/** Several attacks, several radii, several draws: what is kept, and what it counts for. */

await useBackend('cpu')

t.test('the worst case is the minimum over its attacks, each run on all examples', async t => {
  const p = problem({ kind: 'linf', radius: 0.25 }, 120, 6)
  const { model } = tanhModel(p.weights)
  const members = [identity(), uniform({ draws: 2 }), fgsm(), pgd({ steps: 4, restarts: 2 })]
  const alone = members.map(attack => run(attack, p, model))
  const { all, from } = scoped(() => {
    const options = { set: p.set, loss: huber, key: keyFor(upTo(p.n)) }
    const x = tf.tensor2d(p.x, [p.n, p.d])
    const result = worstCase(members).run(model, x, tf.tensor1d(p.y), options)
    return { all: read(result), from: result.from! }
  })
  const wrong = upTo(p.n).filter(i => {
    const first = alone.findIndex(found => found.success[i] === 1)
    const losses = alone.map(found => found.loss[i]!)
    const best = first >= 0 ? first : losses.indexOf(Math.max(...losses))
    const point = (x: Float32Array) => x.slice(i * p.d, (i + 1) * p.d)
    return from[i] !== best || !sameBits(point(all.point), point(alone[best]!.point))
  })
  t.same(wrong, [])
  t.ok(new Set(from).size > 2, 'and more than one of them was needed')
})

t.test('more restarts break no fewer examples, and the first is the attack itself', async t => {
  const p = problem({ kind: 'l2', radius: 0.35 }, 100, 6)
  const { model } = tanhModel(p.weights)
  const plain = run(uniform(), p, model)
  const [one, three, nine] = [1, 3, 9].map(k => run(restarted(uniform(), k), p, model))
  t.ok(sameBits(one!.point, plain.point))
  t.ok(one!.success.every((s, i) => s <= three!.success[i]!))
  t.ok(three!.success.every((s, i) => s <= nine!.success[i]!))
  t.ok(mean(nine!.success) > mean(one!.success))
})

t.test('no attack loses a success as the radius grows', async t => {
  for (const kind of setKinds.filter(kind => ['l1', 'box-l2', 'linf', 'cap'].includes(kind))) {
    const p = problem({ kind, radius: 0.1 }, 60, 6)
    const { model } = tanhModel(p.weights)
    for (const [name, attack] of attacks) {
      const found = scoped(() => {
        const options = { set: p.set, loss: huber, key: keyFor(upTo(p.n)) }
        const x = tf.tensor2d(p.x, [p.n, p.d])
        const radii = [0.05, 0.15, 0.4]
        const results = runRadii(attack, model, x, tf.tensor1d(p.y), options, radii)
        return results.map((result, r) => {
          const set = perturbationSetFrom({ kind, radius: radii[r]! })
          const inside = set.contains(x, result.point).dataSync()
          return { ...read(result), inside, queries: result.queries }
        })
      })
      t.ok(
        found.every(({ inside }) => !inside.includes(0)),
        `${kind}, ${name}: inside`,
      )
      for (const r of [1, 2])
        t.ok(
          found[r]!.success.every((s, i) => s >= found[r - 1]!.success[i]!),
          `${kind}, ${name}`,
        )
      t.ok(
        found[2]!.queries.every((count, i) => found[1]!.success[i] === 0 || count === 1),
        `${kind}, ${name}: what is broken is only looked at`,
      )
    }
  }
})

t.test('radii must ascend, and a failed run frees what the first ones made', async t => {
  const p = problem({ kind: 'l2', radius: 0.1 }, 5, 6)
  const { model } = tanhModel(p.weights)
  const x = tf.tensor2d(p.x, [5, 6])
  const y = tf.tensor1d(p.y)
  const signal = { aborted: false }
  let steps = 0
  const options: AttackOptions = {
    set: p.set,
    loss: huber,
    key: keyFor(upTo(5)),
    signal,
    // In the second step at the second radius.
    onProgress: () => {
      signal.aborted = ++steps === 4
    },
  }
  const before = tf.memory().numTensors
  for (const radii of [[], [0.2, 0.1], [0.1, 0.1]])
    t.throws(() => runRadii(fgsm(), model, x, y, options, radii), { code: 'RANGE' })
  t.throws(() => runRadii(pgd({ steps: 3 }), model, x, y, options, [0.01, 0.02, 0.03]), {
    code: 'STOPPED',
  })
  t.equal(tf.memory().numTensors, before)
  signal.aborted = false
  runRadii(fgsm(), model, x, y, { ...options, onProgress: () => {} }, [0.1, 0.2]).forEach(
    disposeResult,
  )
  t.equal(tf.memory().numTensors, before)
  tf.dispose([x, y])
})

t.test('targeted success means that the target is predicted', async t => {
  const weights = tinyWeights(5, 4, 9)
  const { model } = tanhModel(weights)
  const p = problem({ kind: 'linf', radius: 0.4 }, 40, 5)
  const labels = Float32Array.from(upTo(40), i => i % 4)
  const targets = labels.map(label => (label + 1) % 4)
  for (const [name, attack] of attacks) {
    if ('objective' in attack.spec && attack.spec.objective === 'two-sided') continue
    const { outputs, success } = scoped(() => {
      const loss = lossFrom('cross-entropy')
      const criterion = targeted(targets)
      const options = { set: p.set, loss, criterion, key: keyFor(upTo(40)) }
      return read(attack.run(model, tf.tensor2d(p.x, [40, 5]), tf.tensor1d(labels), options))
    })
    const reached = upTo(40).filter(i => {
      const z = outputs.slice(4 * i, 4 * i + 4)
      return z.every((v, j) => j === targets[i] || v < z[targets[i]!]!)
    })
    t.same(
      reached,
      upTo(40).filter(i => success[i] === 1),
      name,
    )
    const untargeted = ['identity', 'one random point', 'three random points', 'restarted']
    if (!untargeted.includes(name)) t.ok(reached.length > 12, `${name}: ${reached.length}`)
  }
})

t.test(
  'targets by cross-entropy need a larger radius than by the margin, on a linear model',
  async t => {
    // Section 8.1 of Carlini & Wagner's argument: descending ℓ(·, t) also pushes classes that are in nobody's way.
    const model = linearModel(
      [
        [1, -2, 0.5],
        [0, 1, 1],
        [-1, 0.5, 2],
      ],
      [0.5, 0, -0.25],
    )
    const reached = (loss: 'cross-entropy' | 'margin', radius: number) =>
      scoped(() => {
        const set = perturbationSetFrom({ kind: 'l2', radius })
        const criterion = targeted([2])
        const options = { set, loss: lossFrom('cross-entropy'), criterion, key: keyFor([0]) }
        const attack = pgd({ steps: 200, stepSize: 0.05, start: 'clean', loss, until: 'success' })
        const x = tf.tensor2d([[0.6, 0.2, 0.5]])
        return attack.run(model, x, tf.tensor1d([0]), options).success.dataSync()[0] === 1
      })
    const threshold = (loss: 'cross-entropy' | 'margin') => {
      let [low, high] = [0.05, 1]
      for (let k = 0; k < 16; k++) {
        const middle = (low + high) / 2
        if (reached(loss, middle)) high = middle
        else low = middle
      }
      return high
    }
    // Class 2 must pass classes 0 and 1 at once: the point of least norm where both hold, a projection onto an edge.
    const exact = edgeDistance([-2, 2.5, 1.5], 0.7, [-1, -0.5, 1], 0.45)
    const [byMargin, byCrossEntropy] = [threshold('margin'), threshold('cross-entropy')]
    t.ok(byMargin >= exact - 1e-4 && byMargin < 1.02 * exact, `${byMargin} of ${exact}`)
    t.ok(byCrossEntropy > 1.05 * byMargin, `${byCrossEntropy} of ${exact}`)
  },
)

/** The least norm of v with ⟨a, v⟩ ≥ p and ⟨b, v⟩ ≥ q: on the plane of one constraint if the other holds there, else on both. */
function edgeDistance(a: number[], p: number, b: number[], q: number): number {
  const dot = (u: number[], v: number[]) => u.reduce((sum, x, j) => sum + x * v[j]!, 0)
  const [aa, ab, bb] = [dot(a, a), dot(a, b), dot(b, b)]
  if ((p / aa) * ab >= q) return p / Math.sqrt(aa)
  if ((q / bb) * ab >= p) return q / Math.sqrt(bb)
  const determinant = aa * bb - ab * ab
  const [s, u] = [(p * bb - q * ab) / determinant, (q * aa - p * ab) / determinant]
  return Math.sqrt(s * p + u * q)
}

t.test('an expectation averages passes, and counts them', async t => {
  const exact = linearModel([[1, -2]], [0])
  let draw = 0
  // Noise that alternates in sign: two passes average to the model itself.
  const noisy: Attackable = {
    outputs: 1,
    forward: x => tf.add(exact.forward(x), draw++ % 2 ? 3 : -3),
    inputGradient(x, cotangent) {
      const by = draw++ % 2 ? 0.5 : -0.5
      const { outputs, gradient } = exact.inputGradient(x, cotangent)
      return { outputs: tf.add(outputs, 6 * by), gradient: tf.add(gradient, by) }
    },
  }
  scoped(() => {
    const set = perturbationSetFrom({ kind: 'linf', radius: 0.1 })
    const options = { set, loss: huber, key: keyFor([0]) }
    const x = tf.tensor2d([[0.3, 0.1]])
    const y = tf.tensor1d([1])
    const mean = bim({ steps: 3 }).run(expectationOver(noisy, 2), x, y, options)
    const plain = bim({ steps: 3 }).run(exact, x, y, options)
    t.same(mean.point.dataSync(), plain.point.dataSync())
    t.same([...mean.queries], [8])
    t.same([...plain.queries], [4])
  })
  t.throws(() => expectationOver(exact, 0), { code: 'CONFIG' })
})

t.test('AutoAttack is its members one after another, for balls only', async t => {
  const weights = tinyWeights(6, 5, 4)
  const { model } = tanhModel(weights)
  const p = problem({ kind: 'linf', radius: 0.12 }, 3, 6)
  const labels = scoped(() => [...tf.argMax(model.forward(tf.tensor2d(p.x, [3, 6])), 1).dataSync()])
  const options = { set: p.set, loss: lossFrom('cross-entropy'), key: keyFor(upTo(3)) }
  const attacked = (attack: ReturnType<typeof autoAttack>) =>
    scoped(() => {
      const result = attack.run(model, tf.tensor2d(p.x, [3, 6]), tf.tensor1d(labels), options)
      return { ...read(result), from: result.from!, queries: result.queries }
    })
  const whole = attacked(autoAttack())
  const list = attacked(worstCase(autoAttackMembers('standard', 'linf')))
  t.ok(sameBits(whole.point, list.point))
  t.same(whole.from, list.from)
  t.same(
    autoAttackMembers('standard', 'box-l1').map(({ spec }) => spec.kind),
    ['identity', 'apgd', 'apgd-targeted', 'fab', 'square'],
  )
  t.ok(whole.success.every(s => s === 0 || s === 1) && mean(whole.success) > 0)
  const random = attacked(autoAttack({ version: 'rand' }))
  t.ok(random.queries.every(count => (count - 1) % 20 === 0))
  scoped(() => {
    const set = perturbationSetFrom({ kind: 'cap', radius: 0.1 })
    const run = () =>
      autoAttack().run(model, tf.tensor2d(p.x, [3, 6]), tf.tensor1d(labels), { ...options, set })
    t.throws(run, { code: 'CONFIG' })
  })
  t.throws(() => autoAttackMembers('plus', 'l1'), { code: 'CONFIG' })
  t.throws(() => worstCase([]), { code: 'CONFIG' })
})
