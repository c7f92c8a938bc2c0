import { openStream, perturbationSetFrom, SaddleError, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { apply, distance, dot, member, norm2, randomBatch, routes, row, setCases } from './cases.js'

/** Random starts; what only some sets have, such as charts and tangents; and what no set may do. */

/** Rounding of float32 coordinates of order 1 to 10. */
const ROUNDING = 5e-6

for (const backend of await routes())
  t.test(`on ${backend}`, async t => {
    await useBackend(backend)
    t.test('border starts are on the border', async t => {
      for (const c of setCases.filter(c => c.domain === 'space' || c.kind === 'cap')) {
        const batch = randomBatch(c, 6, 0.3, 40, 10)
        const streams = Array.from({ length: 40 }, (_, i) =>
          openStream({ seed: i, purpose: 'border' }),
        )
        const x = apply(batch, batch.centres, x0 => batch.set.sample(x0, streams, 'border'))
        const far = apply(batch, x, batch.set.distance)
        t.ok(
          far.every(v => Math.abs(v - 0.3) < ROUNDING),
          c.kind,
        )
      }
    })

    t.test('uniform starts fill balls, the cube and the cap as their volume says', async t => {
      const n = 4000
      const streams = Array.from({ length: n }, (_, i) => openStream({ seed: i, purpose: 'fill' }))
      // Share of the set within half the radius: 2^-d for balls and the cube; for the cap of angle θ in R^3, the ratio of
      // heights (1 − cos φ)/(1 − cos θ) with chords in ratio 1/2, which is 1/4 exactly.
      const shares: [(typeof setCases)[number]['kind'], number, number][] = [
        ['l1', 3, 1 / 8],
        ['l2', 3, 1 / 8],
        ['linf', 2, 1 / 4],
        ['cap', 3, 1 / 4],
      ]
      for (const [kind, d, share] of shares) {
        for (const radius of [0.2, 1.6]) {
          const c = setCases.find(c => c.kind === kind)!
          const batch = randomBatch(c, d, radius, n, 11)
          const x = apply(batch, batch.centres, x0 => batch.set.sample(x0, streams, 'uniform'))
          const within = apply(batch, x, batch.set.distance).filter(v => v < radius / 2).length / n
          // four standard errors of a share of 4000 draws
          t.ok(
            Math.abs(within - share) < 4 * Math.sqrt((share * (1 - share)) / n),
            `${kind} ${within}`,
          )
        }
      }
    })

    t.test('equal keys give equal starts, and every example its own', async t => {
      for (const c of setCases) {
        const batch = randomBatch(c, 8, 0.3, 3, 12)
        const same = batch.centres.map((_, j) => batch.centres[j % 8]!)
        const draw = () =>
          apply({ ...batch, centres: same }, same, x0 =>
            batch.set.sample(
              x0,
              [1, 2, 1].map(example => openStream({ seed: 3, purpose: 'key', example })),
              'uniform',
            ),
          )
        const x = draw()
        t.same(x, draw())
        t.same(x.slice(0, 8), x.slice(16, 24))
        t.notSame(x.slice(0, 8), x.slice(8, 16))
      }
    })

    t.test('the cap takes a fixed tangent where the projection is not unique', async t => {
      const c = setCases.find(c => c.kind === 'cap')!
      const batch = { ...randomBatch(c, 3, 0.5, 1, 13), centres: new Float32Array([0, 0.6, 0.8]) }
      const x = apply(
        batch,
        batch.centres.map(v => -v),
        batch.set.project,
      )
      t.ok(member(c, row(batch.centres, 0, 3), row(x, 0, 3), 0.5, 1e-6))
      t.ok(Math.abs(distance(row(x, 0, 3), row(batch.centres, 0, 3)) - 0.5) < 1e-6)
    })

    t.test('the cap keeps its angle where hardly any tangential part is left', async t => {
      // z = −x_0 + 1e-6 · noise: one orthogonalisation leaves as much along x_0 as there is across.
      const c = setCases.find(c => c.kind === 'cap')!
      const batch = randomBatch(c, 50, 0.3, 100, 19)
      const opposite = batch.centres.map((v, j) => -v + 1e-6 * Math.sin(j * j))
      const x = apply(batch, opposite, batch.set.project)
      const angles = apply(batch, x, batch.set.distance)
      t.ok(angles.every(v => Math.abs(v - 0.3) < ROUNDING))
    })

    t.test('a radial gradient has no tangential part to follow', async t => {
      for (const kind of ['cap', 'box-sphere'] as const) {
        const batch = randomBatch(setCases.find(c => c.kind === kind)!, 50, 0.3, 40, 14)
        const radial = batch.centres.map(v => 37 * v)
        t.ok(
          apply(batch, radial, (x, g) => batch.set.steepest(x, g)).every(v => v === 0),
          kind,
        )
      }
    })

    t.test('the lift embeds on the sphere and pulls gradients back by the chain rule', async t => {
      const set = perturbationSetFrom({ kind: 'lift-l2', radius: 0.4 })
      const batch = randomBatch(setCases.find(c => c.kind === 'lift-l2')!, 5, 0.4, 20, 15)
      t.equal(set.embeddedDimension(5), 6)
      const embedded = apply(batch, batch.centres, (_, x) => set.embed(x))
      for (let i = 0; i < 20; i++) t.ok(Math.abs(norm2(row(embedded, i, 6)) - 1) < 1e-6)
      const w = Float64Array.from({ length: 6 }, (_, j) => Math.sin(j + 1))
      const g = apply(batch, batch.centres, (_, x) =>
        set.pullback(
          x,
          tf.tensor2d(
            Float32Array.from({ length: 120 }, (_, k) => w[k % 6]!),
            [20, 6],
          ),
        ),
      )
      // f(x) = ⟨w, lift(x)⟩ in float64; h = 1e-5 balances truncation (h²) and rounding (1e-16/h): errors below 1e-9.
      const f = (x: Float64Array) => dot(w, Float64Array.from([...x, Math.sqrt(1 - dot(x, x))]))
      for (let i = 0; i < 20; i++) {
        const x = row(batch.centres, i, 5)
        for (let j = 0; j < 5; j++) {
          const at = (h: number) => f(x.map((v, k) => (k === j ? v + h : v)))
          t.ok(Math.abs((at(1e-5) - at(-1e-5)) / 2e-5 - g[i * 5 + j]!) < 1e-5)
        }
      }
    })

    t.test('lifted points never leave the chart, however large the radius', async t => {
      for (const kind of ['lift-l2', 'lift-linf'] as const) {
        const c = setCases.find(c => c.kind === kind)!
        const batch = randomBatch(c, 6, 3, 50, 16)
        for (const x of [
          apply(batch, batch.points, batch.set.project),
          apply(batch, batch.gradients, batch.set.maximiseLinear),
        ]) {
          const last = apply(batch, x, (_, p) => tf.slice2d(batch.set.embed(p), [0, 6], [50, 1]))
          t.ok(
            last.every(v => v > 0.0999),
            kind,
          )
        }
      }
    })

    t.test('a radius that is negative or no number is refused', async t => {
      for (const c of setCases)
        for (const radius of [-0.1, Number.NaN, Number.POSITIVE_INFINITY])
          t.throws(() => perturbationSetFrom({ kind: c.kind, radius }), { code: 'RANGE' })
      t.throws(() => {
        tf.tidy(() => {
          perturbationSetFrom({ kind: 'l2', radius: 1 }).project(tf.zeros([2, 3]), tf.zeros([3, 2]))
        })
      }, SaddleError)
    })

    t.test('no method changes its arguments', async t => {
      for (const c of setCases) {
        const { set, centres, points, gradients, d, n } = randomBatch(c, 6, 0.3, 10, 18)
        tf.tidy(() => {
          const held = [centres, points, gradients].map(v =>
            tf.tensor2d(v, [n, d]),
          ) as tf.Tensor2D[]
          set.project(held[0]!, held[1]!)
          set.maximiseLinear(held[0]!, held[2]!)
          set.steepest(held[0]!, held[2]!)
          t.same(
            held.map(v => v.dataSync()),
            [centres, points, gradients],
            c.kind,
          )
        })
      }
    })
  })
