import {
  type Attackable,
  apgd,
  apgdTargeted,
  attackLoss,
  type Criterion,
  fgsm,
  frankWolfe,
  lookBacks,
  misclassification,
} from '@saddle/attacks'
import { lossFrom, perturbationSetFrom, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { keyFor, linearModel, problem, tanhModel, tinyWeights, upTo } from '../fixtures.js'
import { mean, read, run } from '../table.js'

/** What Auto-PGD and Frank–Wolfe promise: schedule, steps example by example, best points. */

await useBackend('cpu')

t.test('the search looks back where the reference code does', async t => {
  t.same([...lookBacks(100).keys()], [22, 41, 57, 70, 80, 87, 93, 99])
  t.same(
    [...lookBacks(50).keys()],
    [11, 21, 30, 38, 45],
    'not ⌈p_j N⌉: 11, 21, 29, 35, 40, 44, 47, 50',
  )
  t.same([...lookBacks(100).values()], [22, 19, 16, 13, 10, 7, 6, 6])
  t.same([...lookBacks(3).keys()], [1, 2, 3])
})

/** f(x) = x₁ on one side and −|x₁| on the other, to the taste of a row: an even slope, and a ridge to jump over. */
function slopes(visited: Float32Array[]): Attackable {
  const forward = (x: tf.Tensor2D) =>
    tf.tidy(() => {
      const values = x.dataSync()
      return tf.tensor2d(
        Float32Array.from({ length: x.shape[0] }, (_, i) =>
          values[2 * i + 1]! > 5 ? values[2 * i]! : -Math.abs(values[2 * i]! - 0.01),
        ),
        [x.shape[0], 1],
      )
    })
  return {
    outputs: 1,
    forward,
    inputGradient(x, cotangent) {
      const outputs = forward(x)
      const values = x.dataSync<'float32'>()
      visited.push(values.slice())
      const signs = cotangent(outputs).dataSync()
      const gradient = new Float32Array(values.length)
      for (let i = 0; i < x.shape[0]; i++) {
        const up = values[2 * i + 1]! > 5 ? 1 : -Math.sign(values[2 * i]! - 0.01)
        gradient[2 * i] = up * signs[i]!
      }
      return { outputs, gradient: tf.tensor2d(gradient, x.shape) }
    },
  }
}

t.test('steps are halved example by example, and only halved', async t => {
  const visited: Float32Array[] = []
  scoped(() => {
    const set = perturbationSetFrom({ kind: 'linf', radius: 1 })
    const options = { set, loss: lossFrom('logistic'), key: keyFor([0, 1]) }
    const x = tf.tensor2d([
      [0, 10],
      [0, 0],
    ])
    // Label −1: the loss rises with f. Nothing succeeds to leave the batch, since all steps are asked for.
    apgd({ until: 'end' }).run(slopes(visited), x, tf.tensor1d([-1, -1]), options)
  })
  const moves = (row: number) =>
    visited.slice(1).map((at, k) => Math.abs(at[2 * row]! - visited[k]![2 * row]!))
  // The even slope runs into the border at once and stays; on the ridge the step must come down to find the top.
  t.ok(Math.max(...moves(0).slice(2)) < 1e-6)
  const early = Math.max(...moves(1).slice(0, 20))
  const late = Math.max(...moves(1).slice(-5))
  t.ok(early > 0.5 && late < 0.1, `${early} ${late}`)
  t.ok(Math.abs(visited.at(-1)![2]! - 0.01) < 0.1)
})

t.test('the best loss never falls with the steps, and beats that of its start', async t => {
  for (const kind of ['l2', 'linf', 'box-l1', 'cap'] as const) {
    const p = problem({ kind, radius: 0.3 }, 60, 6)
    const { model } = tanhModel(p.weights)
    const by = (steps: number) => run(apgd({ steps, until: 'end' }), p, model).loss
    const short = by(4)
    const long = by(40)
    t.ok(mean(long) > mean(short), kind)
  }
})

t.test(
  'targets are tried in the order of their likelihood, and any wrong class will do',
  async t => {
    // f = W x with rows that favour class 2 least: at x the order is 0 (the label), 1, 2.
    const model = linearModel(
      [
        [1, 0],
        [0.9, 0.2],
        [0, 1],
        [-1, -1],
      ],
      [0.3, 0.2, -0.5, 0],
    )
    const { success, outputs } = scoped(() => {
      const set = perturbationSetFrom({ kind: 'linf', radius: 0.6 })
      const options = { set, loss: lossFrom('cross-entropy'), key: keyFor([0]) }
      return read(
        apgdTargeted({ targets: 2, steps: 20 }).run(
          model,
          tf.tensor2d([[0.5, 0]]),
          tf.tensor1d([0]),
          options,
        ),
      )
    })
    t.equal(success[0], 1)
    t.equal(outputs.indexOf(Math.max(...outputs)), 1, 'the likeliest wrong class came first')
  },
)

t.test('targets abreast find what each of them finds alone', async t => {
  const [n, d, classes] = [12, 5, 6]
  const { model } = tanhModel(tinyWeights(d, classes, 3))
  const { x, set } = problem({ kind: 'l2', radius: 0.05 }, n, d)
  const scores = scoped(() => model.forward(tf.tensor2d(x, [n, d])).arraySync())
  const ranked = scores.map(z => upTo(classes).sort((a, b) => z[b]! - z[a]!))
  const y = Float32Array.from(ranked, order => order[0]!)
  const attacked = (attack: ReturnType<typeof apgd>, criterion: Criterion) =>
    scoped(() => {
      const options = { set, loss: lossFrom('cross-entropy'), key: keyFor(upTo(n)), criterion }
      const result = attack.run(model, tf.tensor2d(x, [n, d]), tf.tensor1d(y), options)
      return { ...read(result), queries: [...result.queries] }
    })
  const together = attacked(apgdTargeted({ targets: 5, steps: 12 }), misclassification)
  /** Misclassification, looked for towards one class an example. */
  const towards = (targets: Float32Array): Criterion => ({
    ...misclassification,
    targets,
    atRows: rows => towards(Float32Array.from(rows, row => targets[row]!)),
  })
  const dlr = (outputs: ArrayLike<number>, targets: Float32Array) =>
    scoped(() => {
      const f = tf.tensor2d(Float32Array.from(outputs), [n, classes])
      return attackLoss('dlr').value(f, tf.tensor1d(y), targets).dataSync()
    })
  const alone = upTo(5).map(rank => {
    const targets = Float32Array.from(ranked, order => order[rank + 1]!)
    const found = attacked(apgd({ loss: 'dlr', steps: 12 }), towards(targets))
    return { ...found, losses: dlr(found.outputs, targets) }
  })
  const standing = upTo(n).filter(i => together.success[i] === 0)
  t.ok(standing.length > 3 && standing.length < n, `${standing.length} of ${n} stand`)
  for (const i of upTo(n)) {
    const losses = alone.map(found => found.losses[i]!)
    const best = alone[losses.indexOf(Math.max(...losses))]!
    t.equal(together.success[i], Math.max(...alone.map(found => found.success[i]!)), `${i}`)
    if (together.success[i] === 1) continue
    t.same(together.point.slice(i * d, (i + 1) * d), best.point.slice(i * d, (i + 1) * d), `${i}`)
    t.equal(together.queries[i], 1 + 5 * 13 + 1)
  }
})

t.test('an example leaves at its first success, and its counts end there', async t => {
  const weights = tinyWeights(5, 4, 9)
  const { model } = tanhModel(weights)
  const { found, steps, queries } = scoped(() => {
    const p = problem({ kind: 'linf', radius: 0.15 }, 40, 5)
    const options = { set: p.set, loss: lossFrom('cross-entropy'), key: keyFor(upTo(40)) }
    const y = tf.tensor1d(Float32Array.from(upTo(40), i => i % 4))
    const result = apgd({ steps: 30 }).run(model, tf.tensor2d(p.x, [40, 5]), y, options)
    return { found: read(result), steps: result.gradientSteps, queries: result.queries }
  })
  const broken = upTo(40).filter(i => found.success[i] === 1)
  const standing = upTo(40).filter(i => found.success[i] === 0)
  t.ok(broken.length > 5 && standing.length > 2, `${broken.length} of 40`)
  t.ok(standing.every(i => steps[i] === 30 && queries[i] === 32))
  t.ok(broken.every(i => queries[i]! - 1 - steps[i]! <= 1))
  t.ok(broken.some(i => steps[i]! < 30))
})

t.test('the first step of Frank–Wolfe is FGSM, and more steps bring FOSC down', async t => {
  const p = problem({ kind: 'box-l2', radius: 0.4 }, 50, 6)
  const { model } = tanhModel(p.weights)
  const one = run(frankWolfe({ steps: 1 }), p, model)
  const fast = run(fgsm(), p, model)
  // Kept where the loss rose; at x where it fell.
  const moved = upTo(50).filter(i => one.distance[i]! > 0)
  t.ok(moved.length > 30)
  const apart = moved.flatMap(i =>
    upTo(6).map(j => Math.abs(one.point[6 * i + j]! - fast.point[6 * i + j]!)),
  )
  t.ok(Math.max(...apart) < 1e-6)
  const gap = (steps: number) => mean(run(frankWolfe({ steps, fosc: true }), p, model).fosc!)
  const [early, late] = [gap(2), gap(60)]
  t.ok(late < 0.3 * early, `${late} of ${early}`)
  t.ok(mean(run(frankWolfe(), p, model).loss) >= mean(run(frankWolfe({ steps: 2 }), p, model).loss))
})
