import {
  type Attack,
  bisection,
  boundary,
  carliniWagnerL2,
  carliniWagnerLinf,
  ddn,
  deepfool,
  fab,
  hopSkipJump,
  lbfgs,
  pgd,
  square,
  targeted,
  zoo,
} from '@saddle/attacks'
import { lossFrom, perturbationSetFrom, type SetSpec, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import { stepToHyperplane } from '../../dist/minimum-norm/hyperplane.js'
import { penaltySearch } from '../../dist/minimum-norm/penalty.js'
import { minimiseInBox } from '../../dist/minimum-norm/projected-lbfgs.js'
import { keyFor, linearModel, problem, tanhModel, tinyWeights, upTo } from '../fixtures.js'

/** Distances that are known exactly: linear models and quadratic functions. */

await useBackend('cpu')

/** Logits (.95, .70, .25) at x, label 0; scaled, so that probabilities are confident. */
const ROWS = [
  [1, -2, 0.5],
  [0, 1, 1],
  [-1, 0.5, 2],
]
const BIAS = [0.5, 0, -0.25]
const X = [0.6, 0.2, 0.5]

/** Distance to class 1: z_0 − z_1 = 0.25 over the dual norm of the gradient (1, −3, −.5). */
const UNTARGETED = { l2: 0.25 / Math.hypot(1, 3, 0.5), linf: 0.25 / 4.5 }

function attacked(
  attack: Attack,
  kind: SetSpec['kind'],
  { target, scale = 1, x = X }: { target?: number; scale?: number; x?: readonly number[] } = {},
) {
  return scoped(() => {
    const model = linearModel(
      ROWS.map(row => row.map(w => scale * w)),
      BIAS.map(b => scale * b),
    )
    const result = attack.run(model, tf.tensor2d([[...x]]), tf.tensor1d([0]), {
      set: perturbationSetFrom({ kind, radius: 1 }),
      loss: lossFrom('cross-entropy'),
      key: keyFor([0]),
      ...(target === undefined ? {} : { criterion: targeted([target]) }),
    })
    const moves = Array.from(result.raw.dataSync(), (v, j) => v - x[j]!)
    return {
      l2: Math.hypot(...moves),
      linf: Math.max(...moves.map(Math.abs)),
      success: result.success.dataSync()[0] === 1,
      queries: result.queries[0]!,
      raw: Array.from(result.raw.dataSync()),
    }
  })
}

const searchesL2: Readonly<Record<string, Attack>> = {
  fab: fab({ steps: 30 }),
  'fab, targeted': fab({ steps: 30, targetClasses: 2 }),
  deepfool: deepfool({ overshoot: 0.01 }),
  ddn: ddn(),
  'carlini-wagner-l2': carliniWagnerL2({ steps: 500 }),
  'bisection of pgd': bisection(pgd({ steps: 20, loss: 'margin' })),
  zoo: zoo({ searches: 7, steps: 400, coordinates: 3 }),
  boundary: boundary({ steps: 1500 }),
  'hop-skip-jump': hopSkipJump({ steps: 30 }),
}
const searchesLinf: Readonly<Record<string, Attack>> = {
  fab: fab({ steps: 30 }),
  deepfool: deepfool({ overshoot: 0.01 }),
  'carlini-wagner-linf': carliniWagnerLinf({ steps: 300, initial: 0.01 }),
  'bisection of pgd': bisection(pgd({ steps: 20, loss: 'margin' })),
  'hop-skip-jump': hopSkipJump({ steps: 30 }),
}

/** Float32 rounding of coordinates of order 1. */
const ROUNDING = 1e-6

for (const [norm, searches] of [
  ['l2', searchesL2],
  ['linf', searchesLinf],
] as const)
  for (const kind of [norm, `box-${norm}`] as const)
    t.test(`${kind}: never below the true distance, and within 2 %`, async t => {
      for (const [name, attack] of Object.entries(searches)) {
        const found = attacked(attack, kind)
        t.ok(found.success, name)
        t.ok(found[norm] > UNTARGETED[norm] - ROUNDING, `${name}: ${found[norm]}`)
        t.ok(found[norm] < 1.02 * UNTARGETED[norm], `${name}: ${found[norm]}`)
      }
    })

t.test('with a target both other classes must lose: a quadratic and a linear program', async t => {
  // x + δ with z_2 ≥ z_0 and z_2 ≥ z_1, by enumerating which of the two constraints bind.
  const [over0, over1] = [0, 1].map(k => ROWS[k]!.map((w, j) => w - ROWS[2]![j]!))
  const gaps = [0, 1].map(k => {
    const z = ROWS.map((row, i) => row.reduce((sum, w, j) => sum + w * X[j]!, BIAS[i]!))
    return z[k]! - z[2]!
  })
  const dot = (a: number[], b: number[]) => a.reduce((sum, v, j) => sum + v * b[j]!, 0)
  const [a, b, c] = [dot(over0!, over0!), dot(over0!, over1!), dot(over1!, over1!)]
  const det = a * c - b * b
  const weights = [(c * gaps[0]! - b * gaps[1]!) / det, (a * gaps[1]! - b * gaps[0]!) / det]
  t.ok(weights.every(w => w > 0) === dot(over0!, over1!) * gaps[0]! < a * gaps[1]!)
  const exact = weights.every(w => w > 0)
    ? Math.hypot(...over0!.map((w, j) => weights[0]! * w + weights[1]! * over1![j]!))
    : Math.max(gaps[0]! / Math.sqrt(a), gaps[1]! / Math.sqrt(c))
  for (const [name, attack] of Object.entries(searchesL2)) {
    if (name === 'bisection of pgd' || name === 'ddn' || name === 'deepfool') continue
    const { l2, success } = attacked(attack, 'l2', { target: 2 })
    t.ok(success && l2 > exact - ROUNDING, `${name}: ${l2} of ${exact}`)
    t.ok(l2 < 1.05 * exact, `${name}: ${l2} of ${exact}`)
  }
  // linf over a fine grid of the third coordinate's sign patterns: the smallest r whose corner reaches the target.
  const reached = (r: number) => {
    const signs = [-1, 1]
    return signs.some(s =>
      signs.some(u =>
        Array.from({ length: 201 }, (_, k) => -1 + k / 100).some(v => {
          const delta = [s * r, u * r, v * r]
          const other = [s * r, v * r, u * r]
          const third = [v * r, s * r, u * r]
          return [delta, other, third].some(
            move => dot(over0!, move) <= -gaps[0]! && dot(over1!, move) <= -gaps[1]!,
          )
        }),
      ),
    )
  }
  let [lo, hi] = [0, 1]
  for (let k = 0; k < 40; k++) {
    const middle = (lo! + hi!) / 2
    if (reached(middle)) hi = middle
    else lo = middle
  }
  for (const name of ['fab', 'carlini-wagner-linf', 'hop-skip-jump']) {
    const { linf, success } = attacked(searchesLinf[name]!, 'linf', { target: 2 })
    t.ok(success && linf > 0.99 * hi! && linf < 1.05 * hi!, `${name}: ${linf} of ${hi}`)
  }
})

t.test('DeepFool reaches a linear boundary in one step, beyond it by the overshoot', async t => {
  for (const overshoot of [0.02, 0.1]) {
    const { l2, queries } = attacked(deepfool({ overshoot }), 'l2')
    t.ok(Math.abs(l2 - UNTARGETED.l2 * (1 + overshoot)) < ROUNDING)
    // x_0, two candidates and the point, and the fresh pass.
    t.equal(queries, 5)
    const { linf } = attacked(deepfool({ overshoot }), 'linf')
    t.ok(Math.abs(linf - UNTARGETED.linf * (1 + overshoot)) < ROUNDING)
  }
})

t.test('where the box binds the closest point is farther, and is found', async t => {
  // Logits (.555, .35, .37): class 2 is nearest. z_0 − z_2 = .185 with gradient (2, −2.5, −1.5), but x_0 can only
  // fall by .005, which leaves .175 to the other two coordinates.
  const x = [0.005, 0.05, 0.3]
  const exact = { l2: 0.185 / Math.sqrt(12.5), boxed: Math.hypot(0.005, 0.175 / Math.sqrt(8.5)) }
  for (const [name, attack] of Object.entries(searchesL2)) {
    if (/boundary|hop|zoo|deepfool|ddn/.test(name)) continue
    const free = attacked(attack, 'l2', { x })
    const boxed = attacked(attack, 'box-l2', { x })
    t.ok(free.raw[0]! < 0, `${name}: without the box x_0 leaves it`)
    t.ok(boxed.raw.every(v => v >= 0 && v <= 1))
    t.ok(free.l2 > exact.l2 - ROUNDING && free.l2 < 1.02 * exact.l2, `${name}: ${free.l2}`)
    t.ok(boxed.l2 > exact.boxed - ROUNDING && boxed.l2 < 1.02 * exact.boxed, `${name}: ${boxed.l2}`)
  }
})

t.test('L-BFGS pays for its loss: within 6 % on a confident model', async t => {
  for (const kind of ['l2', 'box-l2'] as const) {
    const { l2, success } = attacked(lbfgs({ searches: 14 }), kind, { scale: 20 })
    t.ok(success && l2 > UNTARGETED.l2 - ROUNDING && l2 < 1.06 * UNTARGETED.l2, `${l2}`)
  }
})

t.test('the Square attack succeeds from the exact linf distance on', async t => {
  for (const [radius, expected] of [
    [0.0555, false],
    [0.0557, true],
  ] as const)
    t.equal(
      scoped(() => {
        const result = square({ queries: 300 }).run(
          linearModel(ROWS, BIAS),
          tf.tensor2d([X]),
          tf.tensor1d([0]),
          {
            set: perturbationSetFrom({ kind: 'linf', radius }),
            loss: lossFrom('cross-entropy'),
            key: keyFor([0]),
          },
        )
        return result.success.dataSync()[0] === 1
      }),
      expected,
    )
})

t.test('FAB towards more classes, all abreast, finds no farther point', async t => {
  const [n, d] = [8, 6]
  const { model } = tanhModel(tinyWeights(d, 5, 2))
  const { x, set } = problem({ kind: 'linf', radius: 1 }, n, d)
  const runs = [1, 2, 4].map(targetClasses =>
    scoped(() => {
      const points = tf.tensor2d(x, [n, d])
      const y = tf.argMax(model.forward(points), 1)
      const options = { set, loss: lossFrom('cross-entropy'), key: keyFor(upTo(n)) }
      const { distance, success, queries } = fab({ targetClasses, steps: 20 }).run(
        model,
        points,
        tf.cast(y, 'float32') as tf.Tensor1D,
        options,
      )
      t.ok(queries.every(count => count === 1 + 2 * 20 * targetClasses + 1))
      const flags = success.dataSync()
      return Array.from(distance.dataSync(), (v, i) => (flags[i] === 1 ? v : Infinity))
    }),
  )
  const [one, two, four] = runs as [number[], number[], number[]]
  t.ok(four.every((v, i) => v <= two[i]! && two[i]! <= one[i]!))
  t.ok(
    four.some((v, i) => v < one[i]!),
    'the likeliest class is not always the nearest',
  )
})

t.test('the step to a hyperplane is feasible and none is shorter', async () => {
  const unit = fc.double({ min: 0, max: 1, noNaN: true })
  const weight = fc.double({ min: -2, max: 2, noNaN: true })
  const norms = {
    l1: (v: number[]) => v.reduce((sum, x) => sum + Math.abs(x), 0),
    l2: (v: number[]) => Math.hypot(...v),
    linf: (v: number[]) => Math.max(...v.map(Math.abs)),
  }
  fc.assert(
    fc.property(
      fc.constantFrom('l1', 'l2', 'linf'),
      fc.array(fc.tuple(unit, weight, unit), { minLength: 2, maxLength: 5 }),
      fc.double({ min: -1.5, max: 1.5, noNaN: true }),
      fc.boolean(),
      (norm, coordinates, h, boxed) => {
        const t0 = Float64Array.from(coordinates, ([v]) => v)
        const w = Float32Array.from(coordinates, ([, v]) => v)
        const [lo, hi] = boxed ? [0, 1] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
        const d = [...stepToHyperplane(norm, { t: t0, h, w, lo, hi })]
        const at = (moves: readonly number[]) => moves.reduce((sum, v, j) => sum + v * w[j]!, h)
        const inside = d.every((v, j) => t0[j]! + v >= lo - 1e-12 && t0[j]! + v <= hi + 1e-12)
        if (!inside) return false
        // What the box allows at most: if even that falls short of the plane, every coordinate is at its end.
        const ends = d.map((_, j) => {
          const up = h < 0 === w[j]! > 0
          return w[j] === 0 ? 0 : up ? hi - t0[j]! : lo - t0[j]!
        })
        const reachable =
          Math.sign(at(ends.map(v => Math.max(-1e3, Math.min(1e3, v))))) !== Math.sign(h)
        if (Math.max(...w.map(Math.abs)) < 1e-3) return true
        if (!reachable && boxed) return d.every((v, j) => Math.abs(v - ends[j]!) < 1e-9)
        if (Math.abs(at(d)) > 1e-9) return false
        // A rival: another feasible point of the plane, a random move brought back to the plane.
        const rival = coordinates.map(([v, , u]) => u - v)
        const gap = at(rival)
        const back = stepToHyperplane('l2', {
          t: t0.map((v, j) => v + rival[j]!),
          h: gap,
          w,
          lo,
          hi,
        })
        const other = rival.map((v, j) => v + back[j]!)
        return Math.abs(at(other)) > 1e-9 || norms[norm](d) <= norms[norm](other) + 1e-9
      },
    ),
    { numRuns: 400, seed: 1 },
  )
})

t.test('the weight of a penalty grows tenfold, then is bisected', async t => {
  const tried: number[] = []
  let search = penaltySearch(0.01)
  for (let k = 0; k < 9; k++) {
    tried.push(search.c)
    search = search.after(search.c >= 3)
  }
  const expected = [0.01, 0.1, 1, 10, 5.5, 3.25, 2.125, 2.6875, 2.96875]
  t.ok(
    tried.every((c, k) => Math.abs(c - expected[k]!) < 1e-12),
    `${tried}`,
  )
})

t.test('projected L-BFGS minimises quadratics in a box', async t => {
  // f = ½ Σ a_j (x_j − m_j)² + ½ (Σ x_j)²: solved by coordinate descent.
  const a = [1, 10, 100, 3, 0.5]
  const m = [2, -0.5, 0.3, 0.9, -1]
  const value = (x: ArrayLike<number>) => {
    const total = Array.from(x).reduce((sum, v) => sum + v, 0)
    return Array.from(x).reduce((sum, v, j) => sum + 0.5 * a[j]! * (v - m[j]!) ** 2, total ** 2 / 2)
  }
  const slope = (x: ArrayLike<number>) => {
    const total = Array.from(x).reduce((sum, v) => sum + v, 0)
    return Float64Array.from(x, (v, j) => a[j]! * (v - m[j]!) + total)
  }
  for (const [lo, hi] of [
    [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    [0, 1],
  ] as const) {
    const exact = [0.5, 0.5, 0.5, 0.5, 0.5]
    for (let sweep = 0; sweep < 2000; sweep++)
      for (let j = 0; j < 5; j++) {
        const rest = exact.reduce((sum, v) => sum + v, 0) - exact[j]!
        exact[j] = Math.min(Math.max((a[j]! * m[j]! - rest) / (a[j]! + 1), lo), hi)
      }
    const search = minimiseInBox(
      // biome-ignore lint/correctness/useYield: nothing has to be asked for
      function* (x) {
        return { value: value(x), gradient: slope(x) }
      },
      Float32Array.of(0.5, 0.5, 0.5, 0.5, 0.5),
      { lo, hi, steps: 100 },
    )
    const turn = search.next()
    const found = turn.value as Float32Array
    t.equal(turn.done, true)
    t.ok(value(found) - value(exact) < 1e-5, `${found} and ${exact}`)
    t.ok(found.every((v, j) => Math.abs(v - exact[j]!) < 1e-2))
  }
})
