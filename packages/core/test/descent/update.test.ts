import {
  accept,
  allocateMatrix,
  apply,
  combineFactors,
  type Matrix,
  openStream,
  type ProposalSums,
  projectedSquared,
  propose,
  restore,
  rowBlocks,
  SaddleError,
  sumProposals,
  type TrainedMatrix,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'

await useBackend('wasm')

const ROWS = 24
const COLS = 6
/** One float32 operation rounds by 6e-8 of its result; entries here are below 4. */
const ROUNDING = 4 * 6e-8
/** Products of 6 terms in float32, then sums in float64: relative to the sum. */
const RELATIVE = 2e-6

const draw = (seed: number, length: number, scale = 1): Float32Array => {
  const out = new Float32Array(length)
  openStream({ seed, purpose: 'test.update' }).fillNormal(out, scale)
  return out
}

const matrixOf = (rows: number, cols: number, values: Float32Array): Matrix => {
  const matrix = allocateMatrix(rows, cols)
  matrix.data.set(values)
  return matrix
}

const randomMatrix = (seed: number, rows = ROWS, cols = COLS) =>
  matrixOf(rows, cols, draw(seed, rows * cols))

/** M = AᵀA of a random A, so that it is symmetric and positive definite. */
const randomMetric = (): Matrix => {
  const a = draw(90, 12 * COLS)
  const metric = allocateMatrix(COLS, COLS)
  for (let i = 0; i < COLS; i++)
    for (let j = 0; j < COLS; j++) {
      let sum = 0
      for (let k = 0; k < 12; k++) sum += a[k * COLS + i]! * a[k * COLS + j]!
      metric.data[i * COLS + j] = sum / 12
    }
  return metric
}

const trainedMatrix = (kind: Kind): TrainedMatrix => {
  const plain = {
    name: kind,
    weights: randomMatrix(1),
    initial: randomMatrix(2),
    displacement: randomMatrix(3),
  }
  if (kind === 'plain') return plain
  return { ...plain, folded: { metric: randomMetric(), image: allocateMatrix(ROWS, COLS) } }
}

type Kind = 'plain' | 'folded'
const KINDS: readonly Kind[] = ['plain', 'folded']
const STEP_SIZE = 0.3
const SCALE = 0.6

/** ⟨X, Y⟩ (in the metric M), float64. */
const inner = (matrix: TrainedMatrix, x: Float64Array, y: Float64Array): number => {
  const image = matrix.folded === undefined ? y : timesMetric(y, matrix.folded.metric)
  return x.reduce((sum, value, i) => sum + value * image[i]!, 0)
}

const timesMetric = (x: Float64Array, metric: Matrix): Float64Array =>
  x.map((_, i) => {
    const row = Math.floor(i / COLS) * COLS
    let sum = 0
    for (let k = 0; k < COLS; k++) sum += x[row + k]! * metric.data[k * COLS + (i % COLS)]!
    return sum
  })

const close = (
  test: Tap,
  actual: number,
  expected: number,
  relative: number,
  what: string,
): void => {
  const error = Math.abs(actual - expected)
  test.ok(error <= relative * Math.max(1, Math.abs(expected)), `${what}: ${actual} ≈ ${expected}`)
}
type Tap = { ok(value: unknown, message: string): boolean }

/** All three phases over the given ranges; every phase of every range is done `times` times. */
const descend = (
  matrix: TrainedMatrix,
  gradient: Float32Array,
  ranges: readonly { start: number; stop: number }[],
  times = 1,
  comparator?: Matrix,
): ProposalSums => {
  const again = <T>(run: () => T): T => {
    for (let i = 1; i < times; i++) run()
    return run()
  }
  const parts = ranges.map(({ start, stop }) =>
    again(() => {
      const rows = gradient.subarray(start * COLS, stop * COLS)
      return propose(matrix, rows, start, stop, STEP_SIZE, comparator)
    }),
  )
  for (const { start, stop } of ranges) again(() => accept(matrix, start, stop, SCALE))
  for (const { start, stop } of ranges) again(() => apply(matrix, start, stop, SCALE))
  return sumProposals(parts)
}

const WHOLE = [{ start: 0, stop: ROWS }]
const bits = (matrix: Matrix) => Buffer.from(matrix.data.buffer).toString('hex')

for (const kind of KINDS) {
  t.test(`${kind}: the three phases are a dense projected step in float64`, async t => {
    const matrix = trainedMatrix(kind)
    const gradient = draw(4, ROWS * COLS)
    const comparator = randomMatrix(5)
    const before = Float64Array.from(matrix.displacement.data)
    const proposal = before.map((d, i) => d - STEP_SIZE * gradient[i]!)
    const sums = descend(matrix, gradient, WHOLE, 1, comparator)

    const g = Float64Array.from(gradient)
    const w = Float64Array.from(comparator.data)
    const minus = (x: Float64Array, y: Float64Array) => x.map((v, i) => v - y[i]!)
    const squared = (x: Float64Array) => inner(matrix, x, x)
    close(t, sums.normSquared, squared(proposal), RELATIVE, '‖V − W0‖²')
    close(t, sums.gradientSquared, squared(g), RELATIVE, '‖G‖²')
    const comparison = sums.comparison!
    close(t, comparison.inner, inner(matrix, g, minus(before, w)), RELATIVE, '⟨G, W − W†⟩')
    close(t, comparison.distanceSquared, squared(minus(before, w)), RELATIVE, '‖W − W†‖²')
    close(t, comparison.proposedSquared, squared(minus(proposal, w)), RELATIVE, '‖V − W†‖²')
    close(t, comparison.comparatorSquared, squared(w), RELATIVE, '‖W† − W0‖²')
    const accepted = proposal.map(v => SCALE * v)
    close(
      t,
      projectedSquared({ ...sums, comparison }, SCALE),
      squared(minus(accepted, w)),
      RELATIVE,
      '‖P(V) − W†‖²',
    )
    t.equal(projectedSquared({ ...sums, comparison }, 1), comparison.proposedSquared)

    const change = kind === 'plain' ? accepted : timesMetric(accepted, matrix.folded!.metric)
    for (let i = 0; i < accepted.length; i++) {
      const d = matrix.displacement.data[i]! - accepted[i]!
      const weight = matrix.weights.data[i]! - (matrix.initial.data[i]! + change[i]!)
      if (Math.abs(d) > ROUNDING || Math.abs(weight) > 4 * ROUNDING)
        t.fail(`entry ${i} is off by ${d}, ${weight}`)
    }
  })

  t.test(`${kind}: a phase done again over any range gives the same bits`, async t => {
    const gradient = draw(4, ROWS * COLS)
    const ranges = [
      { start: 0, stop: 8 },
      { start: 8, stop: ROWS },
    ]
    const once = trainedMatrix(kind)
    const thrice = trainedMatrix(kind)
    t.same(descend(thrice, gradient, ranges, 3), descend(once, gradient, ranges))
    t.equal(bits(thrice.displacement), bits(once.displacement))
    t.equal(bits(thrice.weights), bits(once.weights))
  })

  t.test(`${kind}: how rows are dealt to workers does not change what is stored`, async t => {
    const gradient = draw(4, ROWS * COLS)
    const whole = trainedMatrix(kind)
    const dealt = trainedMatrix(kind)
    const backwards = [
      { start: 17, stop: ROWS },
      { start: 5, stop: 17 },
      { start: 0, stop: 5 },
    ]
    const a = descend(whole, gradient, WHOLE)
    const b = descend(dealt, gradient, backwards)
    t.equal(bits(dealt.displacement), bits(whole.displacement))
    t.equal(bits(dealt.weights), bits(whole.weights))
    close(t, b.normSquared, a.normSquared, 1e-13, 'sums differ by float64 rounding only')
  })

  t.test(`${kind}: restore finds the weights of a projected step in the displacement`, async t => {
    const matrix = trainedMatrix(kind)
    descend(matrix, draw(4, ROWS * COLS), WHOLE)
    const left = bits(matrix.weights)
    matrix.weights.data.fill(7)
    matrix.folded?.image.data.fill(7)
    restore(matrix, 0, ROWS)
    t.equal(bits(matrix.weights), left)
  })
}

t.test('gradients may be tensors, of a block of rows or of all', async t => {
  const gradient = draw(4, ROWS * COLS)
  const a = trainedMatrix('folded')
  const b = trainedMatrix('folded')
  const tensor = tf.tensor2d(gradient, [ROWS, COLS])
  t.same(propose(a, tensor, 0, ROWS, STEP_SIZE), propose(b, gradient, 0, ROWS, STEP_SIZE))
  t.equal(bits(a.weights), bits(b.weights))
  t.equal(tensor.isDisposed, false)
  tensor.dispose()
})

t.test('combineFactors sums shards in the order given, leaving only its result', async t => {
  const shards = [3, 5, 1].map((n, s) => ({
    signal: tf.tensor2d(draw(10 + s, ROWS * n), [ROWS, n]),
    input: tf.tensor2d(draw(20 + s, n * COLS), [n, COLS]),
  }))
  const before = tf.memory().numTensors
  const sum = combineFactors(shards)
  t.equal(tf.memory().numTensors, before + 1)
  const expected = new Float64Array(ROWS * COLS)
  for (const { signal, input } of shards) {
    const [p, x] = [signal.dataSync<'float32'>(), input.dataSync<'float32'>()]
    const n = input.shape[0]
    for (let i = 0; i < expected.length; i++)
      for (let k = 0; k < n; k++)
        expected[i]! += p[Math.floor(i / COLS) * n + k]! * x[k * COLS + (i % COLS)]!
  }
  const worst = sum
    .dataSync<'float32'>()
    .reduce((w, v, i) => Math.max(w, Math.abs(v - expected[i]!)), 0)
  t.ok(worst < 1e-5, `nine products of float32: off by ${worst}`)
  t.throws(() => combineFactors([]), { code: 'RANGE' })
  t.throws(() => combineFactors([shards[0]!, { ...shards[1]!, input: shards[0]!.input }]), {
    code: 'SHAPE',
  })
})

t.test('wrong rows, gradients and comparators are refused before anything is written', async t => {
  const matrix = trainedMatrix('plain')
  const left = bits(matrix.weights)
  const gradient = draw(4, ROWS * COLS)
  const refused = (run: () => void, code: string) =>
    t.throws(run, { constructor: SaddleError, code })
  refused(() => propose(matrix, gradient, 0, ROWS + 1, STEP_SIZE), 'RANGE')
  refused(() => propose(matrix, gradient, 4, 4, STEP_SIZE), 'RANGE')
  refused(() => propose(matrix, gradient, 0, ROWS - 1, STEP_SIZE), 'SHAPE')
  refused(() => propose(matrix, gradient, 0, ROWS, STEP_SIZE, randomMatrix(1, 3, 3)), 'SHAPE')
  refused(() => accept(matrix, -1, 2, 1), 'RANGE')
  refused(() => apply(matrix, 0, ROWS + 1, 1), 'RANGE')
  t.equal(bits(matrix.weights), left)
})

t.test('rowBlocks covers a large matrix, and sums of its parts keep their comparison', async t => {
  t.same(rowBlocks(ROWS, COLS), WHOLE)
  const part = {
    normSquared: 1,
    gradientSquared: 2,
    comparison: { inner: 3, distanceSquared: 4, proposedSquared: 5, comparatorSquared: 6 },
  }
  t.same(sumProposals([part, part]).comparison, {
    inner: 6,
    distanceSquared: 8,
    proposedSquared: 10,
    comparatorSquared: 12,
  })
  t.equal(sumProposals([{ ...part, comparison: null }]).comparison, null)
})
