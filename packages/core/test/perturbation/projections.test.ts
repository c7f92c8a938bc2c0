import { perturbationSetFrom, useBackend } from '@saddle/core'
import t from 'tap'
import {
  apply,
  type Batch,
  distance,
  dot,
  member,
  norm2,
  randomBatch,
  rayLeavesBall,
  routes,
  row,
  type SetCase,
  setCases,
  unit,
} from './cases.js'

/**
 * Projections and linear maximisers against searches that know nothing of their formulas: float64, low dimension,
 * membership by definition.
 */

/** Float32 of the result against float64 of the rival, for coordinates of order 1. */
const ROUNDING = 3e-6

for (const backend of await routes())
  t.test(`on ${backend}`, async t => {
    await useBackend(backend)
    for (const c of setCases) {
      t.test(`${c.kind}: no point of a dense sample is closer than the projection`, async t => {
        for (const d of [2, 3]) {
          const batch = randomBatch(c, d, 0.5, 60, 30 + d)
          const found = apply(batch, batch.points, batch.set.project)
          const value = (z: Float64Array, x: Float64Array) => -distance(z, x)
          t.same(beaten(c, batch, batch.points, found, value), [])
        }
      })

      t.test(
        `${c.kind}: no point of a dense sample has a larger product with the gradient`,
        async t => {
          for (const d of [2, 3]) {
            const batch = randomBatch(c, d, 0.5, 60, 40 + d)
            const found = apply(batch, batch.gradients, batch.set.maximiseLinear)
            const value = (g: Float64Array, x: Float64Array) => dot(unit(g), x)
            t.same(beaten(c, batch, batch.gradients, found, value), [])
          }
        },
      )
    }

    for (const kind of ['box-l2', 'lift-l2', 'lift-linf'] as const) {
      t.test(`${kind}: the projection is where alternating projections end (Dykstra)`, async t => {
        const c = setCases.find(c => c.kind === kind)!
        const radius = kind === 'box-l2' ? 0.6 : 0.5
        for (const d of [3, 8]) {
          const batch = randomBatch(c, d, radius, 40, 50 + d)
          const found = apply(batch, batch.points, batch.set.project)
          for (let i = 0; i < batch.n; i++) {
            const x0 = row(batch.centres, i, d)
            const exact = dykstra(partsOf(c, x0, radius), row(batch.points, i, d))
            const apart = distance(exact, row(found, i, d))
            // Dykstra converges linearly at best; its own tolerance is 1e-6 here.
            t.ok(apart < 2e-5, `row ${i} of dimension ${d} is ${apart} off`)
          }
        }
      })
    }

    t.test('the l1 projection is a threshold, not a rescaling', async t => {
      // (3, −1, 0.5) onto radius 2: λ = 1 gives (2, 0, 0), 1.5 away; rescaling by 2/4.5 stops 1.779 away.
      const c = setCases.find(c => c.kind === 'l1')!
      const batch = { ...randomBatch(c, 3, 2, 1, 1), centres: new Float32Array(3) }
      t.same([...apply(batch, new Float32Array([3, -1, 0.5]), batch.set.project)], [2, 0, 0])
    })

    t.test('radius that the box takes back is spent elsewhere in l1', async t => {
      // x_0 = (0.75, 0.5), δ = 0.75, z = (2, 1): the first may go 0.25, so the second keeps its whole 0.5.
      const c = setCases.find(c => c.kind === 'box-l1')!
      const batch = { ...randomBatch(c, 2, 0.75, 1, 1), centres: new Float32Array([0.75, 0.5]) }
      t.same([...apply(batch, new Float32Array([2, 1]), batch.set.project)], [1, 1])
      t.same([...apply(batch, new Float32Array([2, -1]), batch.set.maximiseLinear)], [1, 0])
    })

    t.test(
      'clipping a projection onto the ball is not the projection onto box and ball',
      async t => {
        // x_0 = (0, 0.5), δ = 0.5, z = (−1, 1.5): the exact point is (0, 1), the short cut stops at (0, 0.854).
        const c = setCases.find(c => c.kind === 'box-l2')!
        const batch = { ...randomBatch(c, 2, 0.5, 1, 1), centres: new Float32Array([0, 0.5]) }
        t.same([...apply(batch, new Float32Array([-1, 1.5]), batch.set.project)], [0, 1])
      },
    )

    t.test('box and ball: a gradient that the ball does not stop ends in the corner', async t => {
      const set = perturbationSetFrom({ kind: 'box-l2', radius: 5 })
      const c = setCases.find(c => c.kind === 'box-l2')!
      const batch = {
        ...randomBatch(c, 3, 5, 1, 1),
        set,
        centres: new Float32Array([0.2, 0.5, 0.9]),
      }
      t.same(
        [...apply(batch, new Float32Array([1e-9, -1, 0]), set.maximiseLinear)].slice(0, 2),
        [1, 0],
      )
    })

    t.test(
      'box and sphere: steps of an attack end on the exact maximiser, in many dimensions',
      async t => {
        // Stationarity, checked without the solver: free coordinates are one multiple s of g, clipped ones beyond it.
        const c = setCases.find(c => c.kind === 'box-sphere')!
        const batch = randomBatch(c, 200, 0.05, 50, 60)
        const steps = batch.centres.map((v, j) => v + 0.1 * Math.sign(Math.sin(j * j)))
        const found = apply(batch, steps, batch.set.project)
        for (let i = 0; i < batch.n; i++) {
          const z = row(steps, i, 200)
          const x = row(found, i, 200)
          const x0 = row(batch.centres, i, 200)
          const ratios = [...x].map((v, j) => v / z[j]!)
          const free = ratios.filter(
            (_, j) => Math.abs(x[j]! - x0[j]!) < 0.05 - 1e-5 && Math.abs(z[j]!) > 0.01,
          )
          t.ok(free.length > 0 && Math.max(...free) - Math.min(...free) < 1e-4)
        }
      },
    )
  })

/**
 * Rows whose found value is beaten by a member of the set: 4000 candidates a row, all over the set and, for the fine
 * differences, close to the found point.
 */
function beaten(
  c: SetCase,
  batch: Batch,
  targets: Float32Array,
  found: Float32Array,
  value: (target: Float64Array, x: Float64Array) => number,
): string[] {
  const { d, n, radius, centres } = batch
  const worse: string[] = []
  for (let i = 1; i < n; i++) {
    const x0 = row(centres, i, d)
    const target = row(targets, i, d)
    const mine = value(target, row(found, i, d))
    // Where no scaled ray reaches the sphere, the answer is within one item of a knapsack: 0.10 at worst in 3-D.
    const exact = c.kind !== 'box-sphere' || rayLeavesBall(target, x0, radius)
    const slack = ROUNDING * Math.max(1, norm2(target)) + (exact ? 0 : 0.1)
    for (const x of candidates(c, x0, row(found, i, d), radius))
      if (value(target, x) > mine + slack) worse.push(`row ${i}: ${value(target, x)} > ${mine}`)
  }
  return worse
}

/** Members of the set by rejection: a lattice of the cube around the centre, and one around the found point. */
function* candidates(c: SetCase, x0: Float64Array, near: Float64Array, radius: number) {
  const d = x0.length
  for (const [middle, reach, perSide] of [
    [x0, radius, d === 2 ? 40 : 11],
    [near, radius / 20, d === 2 ? 20 : 9],
    [near, radius / 400, d === 2 ? 20 : 9],
  ] as const) {
    for (let k = 0; k < perSide ** d; k++) {
      let x: Float64Array = Float64Array.from({ length: d }, (_, j) => {
        const step = Math.floor(k / perSide ** j) % perSide
        return middle[j]! + reach * ((2 * step) / (perSide - 1) - 1)
      })
      if (c.domain === 'sphere') x = unit(x)
      if (member(c, x0, x, radius, c.domain === 'sphere' ? 1e-12 : 0)) yield x
    }
  }
}

type Projection = (x: Float64Array) => Float64Array

/** The simple convex sets whose intersection the set is. */
function partsOf(c: SetCase, x0: Float64Array, radius: number): Projection[] {
  const ball =
    (centre: Float64Array, reach: number): Projection =>
    x => {
      const far = distance(x, centre)
      return far <= reach ? x : x.map((v, j) => centre[j]! + ((v - centre[j]!) * reach) / far)
    }
  const box =
    (lo: (j: number) => number, hi: (j: number) => number): Projection =>
    x =>
      x.map((v, j) => Math.min(Math.max(v, lo(j)), hi(j)))
  const around =
    c.norm === 'l2'
      ? ball(x0, radius)
      : box(
          j => x0[j]! - radius,
          j => x0[j]! + radius,
        )
  const other =
    c.domain === 'box'
      ? box(
          () => 0,
          () => 1,
        )
      : ball(new Float64Array(x0.length), Math.sqrt(0.99))
  return [around, other]
}

/** Dykstra's alternating projections: converge to the projection onto the intersection of convex sets. */
function dykstra(parts: Projection[], z: Float64Array): Float64Array {
  let x: Float64Array = z
  const corrections = parts.map(() => new Float64Array(z.length))
  for (let round = 0; round < 20000; round++) {
    const before = x
    let apart = 0
    parts.forEach((project, k) => {
      const shifted = x.map((v, j) => v + corrections[k]![j]!)
      const next = project(shifted)
      corrections[k] = shifted.map((v, j) => v - next[j]!)
      apart = Math.max(apart, distance(x, next))
      x = next
    })
    // The iterates may stand still for long before they move on; they are done when all parts agree, too.
    if (apart < 1e-9 && distance(before, x) < 1e-12) break
  }
  return x
}
