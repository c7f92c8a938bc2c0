import { openStream, perturbationSetFrom, SaddleError, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { apply, batches, dot, member, norm2, randomBatch, row, setCases } from './cases.js'

/** Rounding of float32 coordinates of order 1 to 10 (centres in space), over up to 200 of them. */
const ROUNDING = 5e-6

await useBackend('wasm')

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
      for (let draw = 0; draw < 6; draw++) {
        const kind = draw % 2 === 0 ? 'border' : 'uniform'
        const rivals = apply(batch, gradients, x0 => set.sample(x0, streams(draw), kind))
        for (let i = 0; i < n; i++) {
          const x0 = row(centres, i, d)
          const g = unit(row(gradients, i, d))
          const x = row(best, i, d)
          if (!member(c, x0, x, radius, ROUNDING)) outside++
          const rival = row(rivals, i, d)
          if (!member(c, x0, rival, radius, ROUNDING)) outside++
          if (dot(g, rival) > dot(g, x) + ROUNDING && c.kind !== 'box-sphere') beaten++
        }
      }
    }
    t.same({ outside, beaten }, { outside: 0, beaten: 0 })
  })

  t.test(`${c.kind}: a row does not depend on the others, to the last bit`, async t => {
    const batch = randomBatch(c, 7, 0.3, 20, 5)
    const together = {
      project: apply(batch, batch.points, batch.set.project),
      maximise: apply(batch, batch.gradients, batch.set.maximiseLinear),
      steepest: apply(batch, batch.gradients, (x, g) => batch.set.steepest(x, g)),
    }
    for (let i = 0; i < batch.n; i++) {
      const at = (flat: Float32Array) => flat.slice(i * 7, (i + 1) * 7)
      const alone = {
        ...batch,
        n: 1,
        centres: at(batch.centres),
        points: at(batch.points),
        gradients: at(batch.gradients),
      }
      t.same(apply(alone, alone.points, alone.set.project), at(together.project))
      t.same(apply(alone, alone.gradients, alone.set.maximiseLinear), at(together.maximise))
      t.same(
        apply(alone, alone.gradients, (x, g) => alone.set.steepest(x, g)),
        at(together.steepest),
      )
    }
  })

  t.test(`${c.kind}: a centre projects to itself and g = 0 moves nothing, bit for bit`, async t => {
    const batch = randomBatch(c, 9, 0.3, 30, 6)
    const { set, centres } = batch
    const zeros = new Float32Array(centres.length)
    t.same(bits(apply(batch, centres, set.project)), bits(centres))
    t.same(bits(apply(batch, zeros, set.maximiseLinear)), bits(centres))
    t.same(
      apply(batch, zeros, (x, g) => set.steepest(x, g)),
      zeros,
    )
    t.ok(apply(batch, centres, set.distance).every(v => v === 0))
    t.ok(apply(batch, centres, set.contains).every(v => v === 1))
  })

  t.test(`${c.kind}: radius 0 gives the centre bit for bit`, async t => {
    const batch = {
      ...randomBatch(c, 9, 0.3, 30, 7),
      set: perturbationSetFrom({ kind: c.kind, radius: 0 }),
    }
    const streams = Array.from({ length: 30 }, (_, i) => openStream({ seed: i, purpose: 'zero' }))
    const { set, centres } = batch
    t.same(bits(apply(batch, batch.points, set.project)), bits(centres))
    t.same(bits(apply(batch, batch.gradients, set.maximiseLinear)), bits(centres))
    t.same(bits(apply(batch, centres, x => set.sample(x, streams, 'uniform'))), bits(centres))
    t.same(bits(apply(batch, centres, x => set.sample(x, streams, 'border'))), bits(centres))
  })

  t.test(`${c.kind}: distance is the set's norm and never above the diameter`, async t => {
    const batch = randomBatch(c, 5, 0.4, 50, 8)
    const { set, d, n, radius, centres } = batch
    const x = apply(batch, batch.points, set.project)
    const distances = apply(batch, x, set.distance)
    for (let i = 0; i < n; i++) {
      const offset = row(x, i, d).map((v, j) => v - centres[i * d + j]!)
      const expected = c.norm === 'l2' ? norm2(offset) : Math.max(...offset.map(Math.abs))
      t.ok(Math.abs(distances[i]! - expected) < 1e-6)
    }
    t.ok(Math.max(...distances) <= Math.min(radius, set.diameter) + ROUNDING)
  })

  t.test(`${c.kind}: steepest is a unit step that ascends`, async t => {
    const batch = randomBatch(c, 6, 0.4, 50, 9)
    const steps = apply(batch, batch.gradients, (x, g) => batch.set.steepest(x, g))
    for (let i = 1; i < batch.n; i++) {
      const g = unit(row(batch.gradients, i, 6))
      const v = row(steps, i, 6)
      const length = c.norm === 'l2' ? norm2(v) : Math.max(...v.map(Math.abs))
      t.ok(Math.abs(length - 1) < 1e-6)
      t.ok(dot(g, v) > 0)
      if (c.kind === 'cap') t.ok(Math.abs(dot(v, row(batch.centres, i, 6))) < 1e-6)
    }
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

t.test('border starts are on the border', async t => {
  for (const c of setCases.filter(c => c.domain === 'space' || c.kind === 'cap')) {
    const batch = randomBatch(c, 6, 0.3, 40, 10)
    const streams = Array.from({ length: 40 }, (_, i) => openStream({ seed: i, purpose: 'border' }))
    const x = apply(batch, batch.centres, x0 => batch.set.sample(x0, streams, 'border'))
    const far = apply(batch, x, batch.set.distance)
    t.ok(
      far.every(v => Math.abs(v - 0.3) < ROUNDING),
      c.kind,
    )
  }
})

t.test('uniform starts fill the ball, the cube and the cap as their volume says', async t => {
  const n = 4000
  const streams = Array.from({ length: n }, (_, i) => openStream({ seed: i, purpose: 'fill' }))
  // Share of the set within half the radius: 2^-d for ball and cube; for the cap of angle θ in R^3, the ratio of
  // heights (1 − cos φ)/(1 − cos θ) with chords in ratio 1/2, which is 1/4 exactly.
  const shares: [(typeof setCases)[number]['kind'], number, number][] = [
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
      t.ok(Math.abs(within - share) < 4 * Math.sqrt((share * (1 - share)) / n), `${kind} ${within}`)
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

t.test('the reference backend computes the same', async t => {
  const compute = () =>
    setCases.map(c => {
      const batch = randomBatch(c, 12, 0.3, 40, 17)
      return [
        apply(batch, batch.points, batch.set.project),
        apply(batch, batch.gradients, batch.set.maximiseLinear),
      ]
    })
  const wasm = compute()
  await useBackend('cpu')
  const cpu = compute()
  await useBackend('wasm')
  setCases.forEach((c, k) => {
    const largest = wasm[k]!.flatMap((x, p) => [...x].map((v, j) => Math.abs(v - cpu[k]![p]![j]!)))
    t.ok(Math.max(...largest) < ROUNDING, c.kind)
  })
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
      const held = [centres, points, gradients].map(v => tf.tensor2d(v, [n, d])) as tf.Tensor2D[]
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

function distance(a: Float64Array, b: Float64Array): number {
  return norm2(a.map((v, j) => v - b[j]!))
}

function unit(x: Float64Array): Float64Array {
  const norm = norm2(x)
  return norm === 0 ? x : x.map(v => v / norm)
}

function bits(x: Float32Array): Uint32Array {
  return new Uint32Array(x.slice().buffer)
}
