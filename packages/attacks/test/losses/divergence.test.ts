import { type Attack, divergence, pgd, uniform } from '@saddle/attacks'
import { lossFrom, perturbationSetFrom, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import { keyFor, problem, tanhModel, tinyWeights, upTo } from '../fixtures.js'

await useBackend('cpu')

const scores = (n: number, c: number) =>
  fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: n * c, maxLength: n * c })

/** log softmax in float64; one output f is the scores (−f/2, f/2). */
function logs(row: readonly number[]): number[] {
  const z = row.length === 1 ? [-row[0]! / 2, row[0]! / 2] : row
  const total = Math.log(z.reduce((sum, v) => sum + Math.exp(v), 0))
  return z.map(v => v - total)
}

function klOf(f: readonly number[], g: readonly number[]): number {
  const [p, q] = [logs(f), logs(g)]
  return p.reduce((sum, v, j) => sum + Math.exp(v) * (v - q[j]!), 0)
}

for (const c of [1, 2, 5])
  t.test(`KL of ${c} outputs and its gradients equal central differences`, async t => {
    fc.assert(
      fc.property(scores(3, c), scores(3, c), (f, g) => {
        const [value, first, second] = scoped(() => {
          const all = divergence(tf.tensor2d(f, [3, c]), tf.tensor2d(g, [3, c]))
          return [all.value, all.first, all.second].map(tensor => [...tensor.dataSync()])
        })
        const h = 1e-5
        for (let i = 0; i < 3; i++) {
          // The tensors are float32: so are the rows that are differenced.
          const row = (from: readonly number[]) =>
            Array.from(Float32Array.from(from.slice(i * c, (i + 1) * c)))
          const [a, b] = [row(f), row(g)]
          const slope = (side: 0 | 1, j: number) => {
            const moved = (by: number) => {
              const [x, y] = [[...a], [...b]]
              const target = side === 0 ? x : y
              target[j]! += by
              return klOf(x, y)
            }
            return (moved(h) - moved(-h)) / (2 * h)
          }
          // Float32 of numbers up to 16; differences are exact to h².
          if (Math.abs(value![i]! - klOf(a, b)) > 1e-5) return false
          for (let j = 0; j < c; j++) {
            if (Math.abs(first![i * c + j]! - slope(0, j)) > 2e-5) return false
            if (Math.abs(second![i * c + j]! - slope(1, j)) > 2e-5) return false
          }
        }
        return value!.every(v => v >= -1e-7)
      }),
      { numRuns: 60 },
    )
    t.pass()
  })

t.test('KL and its gradients are 0 where predictions are equal', async t => {
  scoped(() => {
    const f: tf.Tensor2D = tf.randomNormal([6, 4], 0, 2, 'float32', 7)
    const same = divergence(f, tf.clone(f))
    for (const tensor of [same.value, same.first, same.second])
      t.ok([...tensor.dataSync()].every(v => Math.abs(v) < 1e-7))
  })
})

t.test('PGD on the divergence finds more of it than its start or many draws', async t => {
  const set = perturbationSetFrom({ kind: 'linf', radius: 0.1 })
  const p = problem({ kind: 'linf', radius: 0.1 }, 40, 6)
  const { model, passes } = tanhModel(tinyWeights(6, 3, 4))
  const loss = lossFrom('cross-entropy')
  scoped(() => {
    const x = tf.tensor2d(p.x, [p.n, p.d])
    const y = tf.tensor1d(Array.from({ length: p.n }, (_, i) => i % 3))
    const options = { set, loss, key: keyFor(upTo(p.n)) }
    const clean = model.forward(x)
    const mean = (attack: Attack) => {
      const { point } = attack.search(model, x, y, options)
      return tf.mean(divergence(clean, model.forward(point)).value).dataSync()[0]!
    }
    const last = { steps: 10, keepBest: false } as const
    const found = mean(pgd({ ...last, loss: 'divergence' }))
    const [start, drawn] = [mean(uniform()), mean(uniform({ draws: 50 }))]
    t.ok(found > 2 * start && found > drawn, `${found}, from ${start}; of 50 draws ${drawn}`)
    passes.forward = 0
    passes.gradient = 0
    const { queries } = pgd({ ...last, loss: 'divergence' }).search(model, x, y, options)
    t.same(passes, { forward: 1, gradient: 10 }, 'one forward pass at x, then its steps')
    t.equal(queries[0], 11)
  })
  t.throws(() => pgd({ loss: 'divergence', start: 'clean' }), {
    code: 'CONFIG',
    message: /flat at x/,
  })
})
