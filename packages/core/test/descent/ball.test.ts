import {
  activationFrom,
  allocateMatrix,
  type BallGroup,
  ballScales,
  lossFrom,
  type NetworkSpec,
  propose,
  SaddleError,
  type StepSize,
  settle,
  stepSizeAt,
  sumProposals,
  type TrainedMatrix,
} from '@saddle/core'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'

const UNIT = 0.25
/** Two layers of different sizes, projected each on its own, and both together as in Section 5. */
const LAYERS: readonly BallGroup[] = [
  { names: ['a'], unit: UNIT },
  { names: ['b'], unit: UNIT },
]
const TOGETHER: readonly BallGroup[] = [{ names: ['a', 'b'], unit: UNIT }]
const SHAPES = { a: [3, 4], b: [2, 5] } as const
const SIZE = 22

/** The projection of the code: V given as a displacement of zero gradient. Returns D after `settle`. */
const project = (v: ArrayLike<number>, ball: readonly BallGroup[], radius: number | null) => {
  let offset = 0
  const matrices = Object.entries(SHAPES).map(([name, [rows, cols]]): TrainedMatrix => {
    const displacement = allocateMatrix(rows, cols)
    for (let i = 0; i < rows * cols; i++) displacement.data[i] = v[offset + i]!
    offset += rows * cols
    const [weights, initial] = [allocateMatrix(rows, cols), allocateMatrix(rows, cols)]
    return { name, weights, initial, displacement }
  })
  const sums = Object.fromEntries(
    matrices.map(m => {
      const { rows, cols } = m.weights
      return [m.name, propose(m, new Float32Array(rows * cols), 0, rows, 1)]
    }),
  )
  const { scales, distances } = ballScales(ball, radius, sums)
  for (const m of matrices) settle(m, 0, m.weights.rows, scales[m.name]!)
  const result = Float64Array.from(matrices.flatMap(m => [...m.displacement.data]))
  return { result, distances, scales }
}

const norms = (x: ArrayLike<number>, ball: readonly BallGroup[]): number[] => {
  const of = (from: number, to: number) => {
    let sum = 0
    for (let i = from; i < to; i++) sum += x[i]! ** 2
    return Math.sqrt(sum)
  }
  return ball === TOGETHER ? [of(0, SIZE)] : [of(0, 12), of(12, SIZE)]
}
const inner = (x: Float64Array, y: Float64Array) => x.reduce((sum, v, i) => sum + v * y[i]!, 0)
const minus = (x: Float64Array, y: Float64Array) => x.map((v, i) => v - y[i]!)
const norm = (x: Float64Array) => Math.sqrt(inner(x, x))

/** Entries of moderate size, float32, so that no norm over- or underflows. */
const entry = fc.float({ min: -8, max: 8, noNaN: true })
const vector = fc.array(entry, { minLength: SIZE, maxLength: SIZE }).map(v => Float64Array.from(v))
const radius = fc.double({ min: 0.1, max: 200, noNaN: true })
const balls = fc.constantFrom(LAYERS, TOGETHER)
/** Relative rounding of a float32 store, a few times over. */
const F32 = 5e-7

const holds = <T>(test: Test, property: fc.IProperty<T>): void => {
  test.doesNotThrow(() => fc.assert(property))
}

t.test('a projected change lies inside B(R), and projecting it again moves no bit', async t => {
  holds(
    t,
    fc.property(vector, balls, radius, (v, ball, R) => {
      const { result } = project(v, ball, R)
      const again = project(result, ball, R)
      const inside = norms(result, ball).every(n => n <= R * UNIT)
      return inside && result.every((d, i) => Object.is(d, again.result[i]!))
    }),
  )
})

t.test('inside B(R), and without R, nothing moves', async t => {
  holds(
    t,
    fc.property(vector, balls, (v, ball) => {
      const R = Math.max(...norms(v, ball)) / UNIT + 1e-9
      const same = ({ result }: { result: Float64Array }) =>
        result.every((d, i) => Object.is(d, v[i]!))
      return same(project(v, ball, R)) && same(project(v, ball, null))
    }),
  )
})

t.test('the projection is the closest point: ⟨V − P(V), U − P(V)⟩ ≤ 0 for U in B(R)', async t => {
  holds(
    t,
    fc.property(vector, vector, balls, radius, (v, other, ball, R) => {
      const p = project(v, ball, R).result
      const u = project(other, ball, R).result
      const scale = norm(v) * (norm(u) + norm(p))
      return inner(minus(v, p), minus(u, p)) <= F32 * scale
    }),
  )
})

t.test('the projection is non-expansive', async t => {
  holds(
    t,
    fc.property(vector, vector, balls, radius, (v, w, ball, R) => {
      const distance = norm(minus(project(v, ball, R).result, project(w, ball, R).result))
      return distance <= norm(minus(v, w)) + F32 * (norm(v) + norm(w))
    }),
  )
})

t.test('distances are in units of R, after the projection, by group', async t => {
  const [a, b] = ['a', 'b']
  const sums = { a: { normSquared: 4 }, b: { normSquared: 0.04 } }
  const layers = ballScales(LAYERS, 2, sums)
  t.match(layers.distances, [{ group: 'a' }, { group: 'b', scale: 1 }])
  // ‖a‖ = 2 against R·unit = 0.5; ‖b‖ = 0.2 is inside. c is rounded down by 2⁻²³ of itself.
  t.ok(Math.abs(layers.scales[a]! - 0.25) < 1e-7 && layers.scales[a]! < 0.25)
  t.ok(Math.abs(layers.distances[0]!.distance - 2) < 1e-6)
  t.ok(Math.abs(layers.distances[1]!.distance - 0.8) < 1e-12)
  const together = ballScales(TOGETHER, 2, sums)
  t.equal(together.scales[a], together.scales[b])
  t.match(together.distances, [{ group: 'a & b' }])
  t.ok(Math.abs(together.scales[b]! - 0.5 / Math.sqrt(4.04)) < 1e-7)
  t.match(ballScales(LAYERS, null, sums).scales, { a: 1, b: 1 })
})

t.test('a radius that is not positive and a norm that is not finite are refused', async t => {
  const sums = { a: { normSquared: 4 }, b: { normSquared: 1 } }
  for (const R of [0, -1, Number.NaN])
    t.throws(() => ballScales(LAYERS, R, sums), { constructor: SaddleError, code: 'RANGE' })
  t.throws(() => ballScales(LAYERS, 1, { a: sums.a }), { code: 'RANGE' })
  for (const normSquared of [Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => ballScales(LAYERS, null, { ...sums, b: { normSquared } }), { code: 'NUMERIC' })
  t.ok(sumProposals([]).normSquared === 0)
})

const networkOf = (family: NetworkSpec['family'], activation: string) => ({
  spec: { family, activation, width: 128, depth: 2, inputs: 4, outputs: 1 } as NetworkSpec,
  activation: activationFrom(activation),
})
const huber = lossFrom('huber:1')
const at = (schedule: StepSize, step: number, total = 100) =>
  stepSizeAt(schedule, step, total, networkOf('deep', 'relu'), huber)

t.test('step sizes: a number, a piecewise schedule, half a cosine', async t => {
  t.equal(at(0.3, 7), 0.3)
  const piecewise = { kind: 'piecewise', values: [3, 2, 1], boundaries: [10, 20] } as const
  t.same(
    [0, 9, 10, 19, 20, 99].map(step => at(piecewise, step)),
    [3, 3, 2, 2, 1, 1],
  )
  const cosine = { kind: 'cosine', from: 2, to: 1 } as const
  t.equal(at(cosine, 0), 2)
  t.ok(Math.abs(at(cosine, 50) - 1.5) < 1e-15)
  t.ok(at(cosine, 99) > 1 && at(cosine, 99) < 1.001)
  t.throws(() => at({ ...piecewise, values: [1, 2] }, 0), { code: 'CONFIG' })
  t.throws(() => at({ ...piecewise, boundaries: [20, 10] }, 0), { code: 'CONFIG' })
  for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => at(wrong, 0), { code: 'RANGE' })
})

t.test('step sizes of the theory follow width, depth, C1 and the loss, or say why not', async t => {
  const theory = (family: NetworkSpec['family'], activation: string, loss: string) =>
    stepSizeAt('theory', 0, 1, networkOf(family, activation), lossFrom(loss))
  t.equal(theory('deep', 'relu', 'huber:1'), 0.7 / (128 * 2))
  t.equal(theory('deep', 'relu', 'logistic'), 0.7 / (128 * 2 * 0.25))
  t.equal(theory('two-layer', 'relu', 'huber:1'), 1)
  t.ok(Math.abs(theory('two-layer', 'sincos', 'huber:1') - 0.5) < 1e-12)
  for (const [activation, loss] of [
    ['relu', 'hinge'],
    ['quadratic-relu', 'huber:1'],
  ] as const)
    t.throws(() => theory('two-layer', activation, loss), {
      code: 'CONFIG',
      message: /as a number/,
    })
})
