import {
  type Attackable,
  boundary,
  hopSkipJump,
  nes,
  nesLabelOnly,
  nesPartial,
  spsa,
  square,
  zoo,
} from '@saddle/attacks'
import { lossFrom, openStream, perturbationSetFrom, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import {
  antitheticGradient,
  antitheticPoints,
  gaussian,
  signVector,
} from '../../dist/black-box/directions.js'
import { samplesAt } from '../../dist/black-box/hop-skip-jump.js'
import { shapeOf } from '../../dist/black-box/image.js'
import { plateau } from '../../dist/black-box/plateau.js'
import { topLogProbabilities, topRanks } from '../../dist/black-box/reveal.js'
import { shareAt } from '../../dist/black-box/square.js'
import { squaresLinf } from '../../dist/black-box/square-linf.js'
import { squaresByWindows } from '../../dist/black-box/square-windows.js'
import { stencil } from '../../dist/black-box/zoo.js'
import type { Example } from '../../dist/search/example.js'
import { l1, l2, linf, type Norm } from '../../dist/search/norm.js'
import { keyFor } from '../fixtures.js'

/** What query-only attacks are made of: estimates of gradients, squares, schedules, and the price of it all. */

await useBackend('cpu')

const stream = () => openStream({ seed: 4, purpose: 'test.estimators' })

t.test(
  'antithetic estimates vanish on a constant and average to the gradient of a line',
  async t => {
    const s = stream()
    const x = [0.3, -0.2, 0.7]
    const w = [2, -1, 0.5]
    for (const draw of [gaussian, signVector]) {
      const directions = Array.from({ length: 100_000 }, () => draw(s, 3))
      t.same(antitheticGradient(directions, new Float32Array(200_000).fill(7), 0.01), [0, 0, 0])
      const points = antitheticPoints(Float64Array.from(x), directions, 0.25)
      const values = Float64Array.from(
        { length: 200_000 },
        (_, row) => 3 + w.reduce((sum, v, j) => sum + v * points[3 * row + j]!, 0),
      )
      const g = antitheticGradient(directions, values, 0.25)
      t.ok(
        g.every((v, j) => Math.abs(v - w[j]!) < 0.01 * Math.hypot(...w)),
        `${g}`,
      )
    }
  },
)

t.test(
  'a symmetric difference is exact on quadratics, at the actual distance of its points',
  async t => {
    const x = Float32Array.of(0.3, -0.2, 0.7)
    const f = (at: ArrayLike<number>) => 2 * at[0]! ** 2 - at[1]! * at[2]! + at[1]!
    const slopes = [4 * x[0]!, -x[2]! + 1, -x[1]!]
    const points = stencil(x, [0, 1, 2], 0.01)
    t.same(points.slice(0, 3), x)
    for (let j = 0; j < 3; j++) {
      const [up, down] = [points.slice(3 + 6 * j, 6 + 6 * j), points.slice(6 + 6 * j, 9 + 6 * j)]
      const slope = (f(up) - f(down)) / (up[j]! - down[j]!)
      t.ok(Math.abs(slope - slopes[j]!) < 1e-7, `${slope} and ${slopes[j]}`)
    }
  },
)

/** A model of which nothing can be made: the scores never change. */
const constant: Attackable = {
  outputs: 3,
  forward: x => tf.tile(tf.tensor2d([[2, 0, -1]]), [x.shape[0], 1]),
  inputGradient: () => {
    throw new Error('not asked for')
  },
}

/** Queries of an attack that cannot succeed, the fresh pass not counted. */
function asked(attack: ReturnType<typeof nes>, kind: 'box-l2' | 'box-linf'): number {
  return scoped(() => {
    const { queries } = attack.search(
      constant,
      tf.tensor2d([[0.2, 0.5, 0.9, 0.4]]),
      tf.tensor1d([0]),
      {
        set: perturbationSetFrom({ kind, radius: 0.1 }),
        loss: lossFrom('cross-entropy'),
        key: keyFor([0]),
      },
    )
    return queries[0]!
  })
}

t.test('queries follow the formulas', async t => {
  t.equal(asked(square({ queries: 30, restarts: 2 }), 'box-linf'), 1 + 2 * (1 + 30))
  t.equal(
    asked(zoo({ steps: 7, coordinates: 3, abortEarly: false }), 'box-l2'),
    1 + 7 * (2 * 3 + 1),
  )
  t.equal(
    asked(zoo({ steps: 7, coordinates: 128, abortEarly: false }), 'box-l2'),
    1 + 7 * (2 * 4 + 1),
  )
  t.equal(asked(nes({ queries: 100, samples: 20 }), 'box-linf'), 1 + 4 * 21)
  t.equal(asked(nes({ queries: 21, samples: 20 }), 'box-linf'), 1)
  t.equal(asked(spsa({ steps: 6, directions: 5 }), 'box-linf'), 1 + 6 * 11)
  // No start is found: x_0 and all the draws.
  t.equal(asked(boundary({ draws: 25 }), 'box-l2'), 1 + 25)
  t.equal(asked(hopSkipJump({ draws: 25 }), 'box-linf'), 1 + 25)
  t.equal(asked(nesPartial({ draws: 25 }), 'box-linf'), 1 + 25)
  t.equal(asked(nesLabelOnly({ draws: 25 }), 'box-linf'), 1 + 25)
  t.equal(
    asked(nesLabelOnly({ queries: 60, draws: 25 }), 'box-linf'),
    1 + 8,
    'never above the budget',
  )
})

t.test('HopSkipJump asks for 100 √(k + 1) points, 10 000 at most', async t => {
  const spec = { initialQueries: 100, mostQueries: 10_000 } as Parameters<typeof samplesAt>[0]
  t.same(
    [0, 1, 3, 8, 99, 20_000].map(k => samplesAt(spec, k)),
    [100, 141, 200, 300, 1000, 10_000],
  )
})

t.test('squares shrink after 10, 50, 200, … queries', async t => {
  const fixed = { queries: 5000, share: 0.8, schedule: 'fixed' } as const
  const at = [0, 10, 11, 50, 51, 200, 201, 500, 501, 1001, 2001, 4001, 4999]
  const halvings = [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 7]
  t.same(
    at.map(k => shareAt(fixed, k)),
    halvings.map(h => 0.8 / 2 ** h),
  )
  const rescaled = { ...fixed, schedule: 'rescaled' } as const
  t.equal(shareAt(rescaled, 6), 0.4, 'query 6 of 5000 is query 12 of 10 000')
  t.equal(shareAt(rescaled, 4001), 0.8 / 512)
})

t.test('examples are images by their size, or as they are named', async t => {
  t.same(shapeOf(784), { channels: 1, height: 28, width: 28 })
  t.same(shapeOf(3072), { channels: 3, height: 32, width: 32 })
  t.same(shapeOf(7), { channels: 1, height: 1, width: 7 })
  t.same(shapeOf(12, { channels: 2, height: 2, width: 3 }), { channels: 2, height: 2, width: 3 })
  t.throws(() => shapeOf(12, { channels: 1, height: 3, width: 3 }), { code: 'CONFIG' })
})

function exampleIn(norm: Norm, d: number, boxed: boolean): Example {
  const centre = Float32Array.from({ length: d }, (_, j) => 0.3 + (0.4 * ((j * 7) % 11)) / 11)
  return {
    centre,
    start: null,
    label: 0,
    target: null,
    classes: 2,
    outputs: 1,
    norm,
    radius: 0.25,
    lo: boxed ? 0 : Number.NEGATIVE_INFINITY,
    hi: boxed ? 1 : Number.POSITIVE_INFINITY,
    stream,
  }
}

t.test(
  'linf squares: stripes first, then one window of one sign a plane, reaching every pixel',
  async t => {
    const shape = { channels: 2, height: 6, width: 5 }
    const example = exampleIn(linf, 60, true)
    const moves = squaresLinf(example, shape, stream())
    const signsOf = (x: Float32Array) => Array.from(x, (v, j) => Math.sign(v - example.centre[j]!))
    const first = moves.first()
    t.ok(first.every((v, j) => Math.abs(Math.abs(v - example.centre[j]!) - 0.25) < 1e-6))
    const stripes = signsOf(first)
    t.ok(stripes.every((s, j) => s === stripes[30 * Math.floor(j / 30) + (j % 5)]))
    const hit = new Set<number>()
    for (let k = 0; k < 300; k++) {
      const next = moves.next(example.centre, 0.15)
      const moved = signsOf(next)
      const cells = moved.flatMap((s, j) => (s === 0 ? [] : [j]))
      // side round(√(0.15 · 30)) = 2
      t.equal(cells.length, 2 * 4)
      for (const plane of [0, 1]) {
        const inPlane = cells.filter(j => Math.floor(j / 30) === plane)
        t.equal(new Set(inPlane.map(j => moved[j])).size, 1)
      }
      for (const j of cells) hit.add(j)
    }
    t.equal(hit.size, 60, 'the last row and column included')
    // On a line of 7 pixels, a third of them are 2 next to each other.
    const line = exampleIn(linf, 7, false)
    const lineMoves = squaresLinf(line, shapeOf(7), stream())
    for (let k = 0; k < 20; k++) {
      const moved = lineMoves.next(line.centre, 0.3)
      const cells = Array.from(moved.keys()).filter(j => moved[j] !== line.centre[j])
      t.equal(cells.length, 2)
      t.equal(cells[1]! - cells[0]!, 1)
    }
  },
)

t.test('l2 and l1 windows keep the norm at the radius and stay local', async t => {
  const shape = { channels: 1, height: 10, width: 10 }
  for (const [norm, boxed] of [
    [l2, false],
    [l1, false],
  ] as const) {
    const example = exampleIn(norm, 100, boxed)
    const moves = squaresByWindows(example, shape, stream())
    const first = moves.first()
    if (norm === l2) t.ok(Math.abs(norm.distance(first, example.centre) - 0.25) < 1e-6)
    let at = example.centre
    for (let k = 0; k < 30; k++) {
      const next = moves.next(at, 0.1)
      const length = norm.distance(next, example.centre)
      t.ok(norm === l2 ? Math.abs(length - 0.25) < 1e-6 : length > 0.249, `${norm.name}: ${length}`)
      if (k === 0) {
        const moved = next.filter((v, j) => v !== example.centre[j]).length
        t.ok(moved <= 9, `one window of 3 × 3: ${moved}`)
        const total = next.reduce((sum, v, j) => sum + v - example.centre[j]!, 0)
        t.ok(Math.abs(total) < 0.25 * (norm === l2 ? 3 : 1), 'two halves of opposite sign')
      }
      at = next
    }
  }
})

t.test('a step is halved when the gain has not grown over the last few', async t => {
  let step = plateau(0.8, 0.15, 3)
  const sizes: number[] = []
  for (const gain of [1, 2, 3, 2.5, 2.4, 2.3, 5, 4, 3, 2, 1, 0, -1, -2, -3, -4, -5, -6]) {
    step = step.after(gain)
    sizes.push(step.size)
  }
  t.same(sizes.slice(0, 5), [0.8, 0.8, 0.8, 0.8, 0.4])
  t.equal(sizes.at(-1), 0.15)
})

t.test('an answer may show the first classes only, or their ranking only', async t => {
  const f = Float32Array.of(1, 3, 2, -1)
  const total = Math.log([1, 3, 2, -1].reduce((sum, z) => sum + Math.exp(z), 0))
  const shown = topLogProbabilities(2)(f)
  t.same(shown[0], Number.NEGATIVE_INFINITY)
  t.ok(Math.abs(shown[1]! - (3 - total)) < 1e-6 && Math.abs(shown[2]! - (2 - total)) < 1e-6)
  t.same(topRanks(3)(f), [1, 3, 2, 0])
  t.same(topRanks(1)(Float32Array.of(-0.5)), [1, 0], 'one output is two classes')
})

t.test(
  'the attacks with limited information bring the radius down on a confident model',
  async t => {
    const rows = [
      [30, -10, 5, 0],
      [-10, 20, -5, 10],
      [0, 5, 25, -20],
    ]
    const model: Attackable = {
      ...constant,
      forward: x => tf.tidy(() => tf.matMul(x, tf.transpose(tf.tensor2d(rows))) as tf.Tensor2D),
    }
    for (const attack of [
      nesPartial({ queries: 20_000, samples: 20 }),
      nesLabelOnly({ queries: 100_000, samples: 20, proxyPoints: 20, proxyRadius: 0.02 }),
    ])
      scoped(() => {
        const x = tf.tensor2d([[0.7, 0.4, 0.5, 0.4]])
        const result = attack.run(model, x, tf.tensor1d([0]), {
          set: perturbationSetFrom({ kind: 'box-linf', radius: 0.2 }),
          loss: lossFrom('cross-entropy'),
          key: keyFor([0]),
        })
        t.equal(result.success.dataSync()[0], 1, attack.spec.kind)
        t.ok(result.distance.dataSync()[0]! <= 0.2 + 1e-6)
      })
  },
)
