import { type PerturbationSet, rowsAbove, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import {
  apply,
  arrayBackends,
  type Batch,
  randomBatch,
  row,
  sameBits,
  setCases,
  unit,
} from './cases.js'

/**
 * Loops over rows of arrays against the formulas on tensors, which wasm computes: two routes to every step of an
 * attack.
 */

const onArrays = await arrayBackends()

/** Float32 of the formulas on coordinates of order 1 to 10 against float64 of the loops. */
const ROUNDING = 1e-5

type Method = (set: PerturbationSet, centres: tf.Tensor2D, rows: tf.Tensor2D) => tf.Tensor

/** The step from the batch's points, brought into the set, along its gradients. */
const advance =
  (batch: Batch, points: Float32Array, step: number): Method =>
  (set, centres, gradient) =>
    set.advance(centres, tf.tensor2d(points, [batch.n, batch.d]), gradient, step)

async function computed(name: string, batch: Batch, rows: Float32Array, method: Method) {
  await useBackend(name)
  return apply(batch, rows, (centres, x) => method(batch.set, centres, x))
}

function farthestApart(a: Float32Array, b: Float32Array): number {
  return a.reduce((far, v, j) => Math.max(far, Math.abs(v - b[j]!)), 0)
}

/** Gradients of one size a row, from 1e-30 to 1e30, where the batch's have entries of a thousand sizes or 0. */
function evenGradients({ gradients, n, d }: Batch): Float32Array {
  const even = new Float32Array(n * d)
  for (let i = 1; i < n; i++) {
    const size = 10 ** ((60 * i) / n - 30)
    even.set(
      unit(row(gradients, i, d)).map(v => v * size),
      i * d,
    )
  }
  return even
}

for (const name of onArrays)
  for (const c of setCases)
    t.test(
      `${c.kind}: loops on ${name} project and advance as the formulas on tensors`,
      async t => {
        await fc.assert(
          fc.asyncProperty(
            fc.integer({ min: 2, max: 40 }),
            fc.double({ min: 0.02, max: 1.2, noNaN: true }),
            fc.double({ min: 0.01, max: 3, noNaN: true }),
            fc.nat(1000),
            async (d, radius, stepSize, seed) => {
              const batch = randomBatch(c, d, radius, 12, seed)
              const inside = await computed('wasm', batch, batch.points, (set, x0, x) =>
                set.project(x0, x),
              )
              const projected = await computed(name, batch, batch.points, (set, x0, x) =>
                set.project(x0, x),
              )
              // Where tensors find the nearest point of a set that isn't convex, rounding may decide between two far ones.
              const slack = c.convex ? ROUNDING : 20 * ROUNDING
              t.ok(farthestApart(inside, projected) < slack)
              const gradients = evenGradients(batch)
              const step = advance(batch, inside, stepSize * radius)
              const expected = await computed('wasm', batch, gradients, step)
              const found = await computed(name, batch, gradients, step)
              t.ok(farthestApart(expected, found) < slack)
            },
          ),
          { numRuns: 15, seed: 7 },
        )
      },
    )

for (const name of onArrays)
  t.test(`on ${name} a step of linf and box-linf has the bits of the formulas`, async t => {
    for (const kind of ['linf', 'box-linf'] as const) {
      const c = setCases.find(c => c.kind === kind)!
      const batch = randomBatch(c, 50, 0.1, 40, 21)
      const step = advance(batch, batch.centres, 0.07)
      const expected = await computed('wasm', batch, batch.gradients, step)
      t.same(await computed(name, batch, batch.gradients, step), expected, kind)
    }
  })

for (const name of ['wasm', ...onArrays])
  t.test(`on ${name} steps keep centres without a gradient to the last bit`, async t => {
    for (const c of setCases) {
      const batch = randomBatch(c, 9, 0.3, 30, 22)
      // −0 is a number of its own to the last bit.
      if (c.domain === 'space') batch.centres[3] = -0
      const still = new Float32Array(batch.centres.length)
      const step = advance(batch, batch.centres, 0.1)
      t.ok(sameBits(await computed(name, batch, still, step), batch.centres), c.kind)
    }
  })

for (const name of ['wasm', ...onArrays])
  t.test(`on ${name} a gradient that is not a number spoils its own row alone`, async t => {
    for (const c of setCases) {
      const batch = randomBatch(c, 8, 0.3, 4, 23)
      const inside = await computed(name, batch, batch.points, (set, x0, x) => set.project(x0, x))
      const gradients = evenGradients(batch)
      const whole = await computed(name, batch, gradients, advance(batch, inside, 0.1))
      gradients[2 * 8 + 5] = Number.NaN
      const found = await computed(name, batch, gradients, advance(batch, inside, 0.1))
      // Minima on wasm ignore what is not a number, and so does the search of box-sphere on the host.
      if (name !== 'wasm' && c.kind !== 'box-sphere')
        t.ok(found.subarray(16, 24).some(Number.isNaN), `${c.kind}: row 2`)
      found.set(whole.subarray(16, 24), 16)
      t.same(found, whole, c.kind)
    }
  })

for (const name of ['wasm', ...onArrays])
  t.test(`on ${name} rows whose largest entry is not above the least are 0`, async t => {
    await useBackend(name)
    const rows = [
      [1, -3, 2],
      [1e-30, 0, -2e-30],
      [0, 0, 0],
      [Number.NaN, 0, 5],
    ]
    const least = [[3], [1e-30], [0], [1]]
    const found = scoped(() => [...rowsAbove(tf.tensor2d(rows), tf.tensor2d(least)).dataSync()])
    t.same(
      found.slice(0, 9).map(v => v + 0),
      [0, 0, 0, Math.fround(1e-30), 0, Math.fround(-2e-30), 0, 0, 0],
    )
    t.ok(Number.isNaN(found[9]))
    const kept = scoped(() => [
      ...rowsAbove(tf.tensor2d(rows), tf.tensor2d([[0], [0], [-1], [-1]])).dataSync(),
    ])
    t.same(kept.slice(0, 9), rows.slice(0, 3).flat().map(Math.fround))
  })
