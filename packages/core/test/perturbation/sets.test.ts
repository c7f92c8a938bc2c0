import { openStream, perturbationSetFrom, useBackend } from '@saddle/core'
import t from 'tap'
import {
  apply,
  batches,
  distance,
  dot,
  lengthOf,
  member,
  randomBatch,
  rayLeavesBall,
  routes,
  row,
  sameBits,
  setCases,
  unit,
} from './cases.js'

/** Rounding of float32 coordinates of order 1 to 10 (centres in space), over up to 80 of them. */
const ROUNDING = 5e-6

for (const backend of await routes())
  t.test(`on ${backend}`, async t => {
    await useBackend(backend)
    for (const c of setCases) {
      t.test(
        `${c.kind}: projections lie in the set, stay put, and keep points that are inside`,
        async t => {
          let outside = 0
          let moved = 0
          let disturbed = 0
          for (const batch of batches(c)) {
            const { set, d, n, radius, centres, points } = batch
            const once = apply(batch, points, set.project)
            const twice = apply(batch, once, set.project)
            const flags = apply(batch, once, set.contains)
            for (let i = 0; i < n; i++) {
              const x0 = row(centres, i, d)
              const z = row(points, i, d)
              const x = row(once, i, d)
              if (!member(c, x0, x, radius, ROUNDING) || flags[i] !== 1) outside++
              if (distance(x, row(twice, i, d)) > ROUNDING) moved++
              if (member(c, x0, z, radius) && distance(x, z) > ROUNDING) disturbed++
            }
          }
          t.same({ outside, moved, disturbed }, { outside: 0, moved: 0, disturbed: 0 })
        },
      )

      t.test(`${c.kind}: contains tells points outside from points inside`, async t => {
        for (const batch of batches(c)) {
          const { set, d, n, radius, centres, points } = batch
          const flags = apply(batch, points, (x0, x) => set.contains(x0, x))
          for (let i = 0; i < n; i++) {
            const inside = (slack: number) =>
              member(c, row(centres, i, d), row(points, i, d), radius, slack)
            if (inside(5e-6) !== inside(2e-5)) continue
            if ((flags[i] === 1) !== inside(1e-5)) t.fail(`row ${i} of dimension ${d}`)
          }
        }
        t.pass('all 1000')
      })

      t.test(`${c.kind}: no sampled point of the set beats maximiseLinear`, async t => {
        let outside = 0
        let beaten = 0
        for (const batch of batches(c)) {
          const { set, d, n, radius, centres, gradients } = batch
          const best = apply(batch, gradients, set.maximiseLinear)
          const streams = (draw: number) =>
            Array.from({ length: n }, (_, i) =>
              openStream({ seed: draw, purpose: 'rival', example: i }),
            )
          for (let draw = 0; draw < 4; draw++) {
            const kind = draw % 2 === 0 ? 'border' : 'uniform'
            const rivals = apply(batch, gradients, x0 => set.sample(x0, streams(draw), kind))
            for (let i = 0; i < n; i++) {
              const x0 = row(centres, i, d)
              const g = unit(row(gradients, i, d))
              const x = row(best, i, d)
              if (!member(c, x0, x, radius, ROUNDING)) outside++
              const rival = row(rivals, i, d)
              if (!member(c, x0, rival, radius, ROUNDING)) outside++
              const exact = c.kind !== 'box-sphere' || rayLeavesBall(g, x0, radius)
              if (exact && dot(g, rival) > dot(g, x) + ROUNDING) beaten++
            }
          }
        }
        t.same({ outside, beaten }, { outside: 0, beaten: 0 })
      })

      t.test(`${c.kind}: a row does not depend on the others, to the last bit`, async t => {
        const batch = randomBatch(c, 7, 0.3, 20, 5)
        const together = [
          apply(batch, batch.points, batch.set.project),
          apply(batch, batch.gradients, batch.set.maximiseLinear),
          apply(batch, batch.gradients, (x, g) => batch.set.steepest(x, g)),
        ]
        const differing: number[] = []
        for (let i = 0; i < batch.n; i++) {
          const at = (flat: Float32Array) => flat.slice(i * 7, (i + 1) * 7)
          const alone = {
            ...batch,
            n: 1,
            centres: at(batch.centres),
            points: at(batch.points),
            gradients: at(batch.gradients),
          }
          const found = [
            apply(alone, alone.points, alone.set.project),
            apply(alone, alone.gradients, alone.set.maximiseLinear),
            apply(alone, alone.gradients, (x, g) => alone.set.steepest(x, g)),
          ]
          if (!found.every((x, k) => sameBits(x, at(together[k]!)))) differing.push(i)
        }
        t.same(differing, [])
      })

      t.test(
        `${c.kind}: a centre projects to itself and g = 0 moves nothing, bit for bit`,
        async t => {
          const batch = randomBatch(c, 9, 0.3, 30, 6)
          const { set, centres } = batch
          const zeros = new Float32Array(centres.length)
          t.ok(sameBits(apply(batch, centres, set.project), centres))
          t.ok(sameBits(apply(batch, zeros, set.maximiseLinear), centres))
          t.ok(apply(batch, zeros, (x, g) => set.steepest(x, g)).every(v => v === 0))
          t.ok(apply(batch, centres, set.distance).every(v => v === 0))
          t.ok(apply(batch, centres, set.contains).every(v => v === 1))
        },
      )

      t.test(`${c.kind}: radius 0 gives the centre bit for bit`, async t => {
        const batch = {
          ...randomBatch(c, 9, 0.3, 30, 7),
          set: perturbationSetFrom({ kind: c.kind, radius: 0 }),
        }
        const streams = Array.from({ length: 30 }, (_, i) =>
          openStream({ seed: i, purpose: 'zero' }),
        )
        const { set, centres } = batch
        t.ok(sameBits(apply(batch, batch.points, set.project), centres))
        t.ok(sameBits(apply(batch, batch.gradients, set.maximiseLinear), centres))
        t.ok(
          sameBits(
            apply(batch, centres, x => set.sample(x, streams, 'uniform')),
            centres,
          ),
        )
        t.ok(
          sameBits(
            apply(batch, centres, x => set.sample(x, streams, 'border')),
            centres,
          ),
        )
      })

      t.test(`${c.kind}: distance is the set's norm and never above the diameter`, async t => {
        const batch = randomBatch(c, 5, 0.4, 50, 8)
        const { set, d, n, radius, centres } = batch
        const x = apply(batch, batch.points, set.project)
        const distances = apply(batch, x, set.distance)
        const wrong: number[] = []
        for (let i = 0; i < n; i++) {
          const offset = row(x, i, d).map((v, j) => v - centres[i * d + j]!)
          const expected = lengthOf(c, offset)
          if (!(Math.abs(distances[i]! - expected) < 1e-6)) wrong.push(i)
        }
        t.same(wrong, [])
        t.ok(Math.max(...distances) <= Math.min(radius, set.diameter) + ROUNDING)
      })

      t.test(`${c.kind}: steepest is a unit step that ascends`, async t => {
        const batch = randomBatch(c, 6, 0.4, 50, 9)
        const steps = apply(batch, batch.gradients, (x, g) => batch.set.steepest(x, g))
        const wrong: number[] = []
        for (let i = 1; i < batch.n; i++) {
          const g = unit(row(batch.gradients, i, 6))
          const v = row(steps, i, 6)
          const length = lengthOf(c, v)
          const tangent = c.kind !== 'cap' || Math.abs(dot(v, row(batch.centres, i, 6))) < 1e-6
          if (!(Math.abs(length - 1) < 1e-6 && dot(g, v) > 0 && tangent)) wrong.push(i)
        }
        t.same(wrong, [])
      })
    }

    t.test('projections onto convex sets are non-expansive', async t => {
      for (const c of setCases.filter(c => c.convex)) {
        let expanded = 0
        batches(c).forEach((a, at) => {
          const other = randomBatch(c, a.d, a.radius, a.n, 100 + at).points
          const b = a.points.map((v, j) => v + 0.1 * (other[j]! - v))
          const pa = apply(a, a.points, a.set.project)
          const pb = apply(a, b, a.set.project)
          for (let i = 0; i < a.n; i++) {
            const before = distance(row(a.points, i, a.d), row(b, i, a.d))
            if (distance(row(pa, i, a.d), row(pb, i, a.d)) > before + 2 * ROUNDING) expanded++
          }
        })
        t.equal(expanded, 0, c.kind)
      }
    })

    t.test('an exact projection makes an obtuse angle with the set', async t => {
      for (const c of setCases.filter(c => c.convex)) {
        let acute = 0
        for (const batch of batches(c)) {
          const { set, d, n } = batch
          const x = apply(batch, batch.points, set.project)
          const streams = Array.from({ length: n }, (_, i) =>
            openStream({ seed: i, purpose: 'obtuse' }),
          )
          const inside = apply(batch, x, x0 => set.sample(x0, streams, 'border'))
          for (let i = 0; i < n; i++) {
            const p = row(x, i, d)
            const away = unit(row(batch.points, i, d).map((v, j) => v - p[j]!))
            const within = row(inside, i, d).map((v, j) => v - p[j]!)
            if (dot(away, within) > 20 * ROUNDING && distance(row(batch.points, i, d), p) > 1e-3)
              acute++
          }
        }
        t.equal(acute, 0, c.kind)
      }
    })
  })
