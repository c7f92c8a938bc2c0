import {
  allocateMatrix,
  combineFactors,
  combineInto,
  journalLength,
  type Matrix,
  openStream,
  type ProposalSums,
  projectedSquared,
  propose,
  restore,
  rowBlocks,
  SaddleError,
  settle,
  sumProposals,
  type TrainedMatrix,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'

/** Why `blas` can't compute here, if it can't. */
const missing = await useBackend('blas').then(
  () => false,
  (error: Error) => error.message,
)
await useBackend('wasm')

const ROWS = 24
const COLS = 6
/** One float32 operation rounds by 6e-8 of its result; entries here are below 4. */
const ROUNDING = 4 * 6e-8
/** V is rounded to float32 before it is squared and summed in float64: relative to the sum. */
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

const trainedMatrix = (rows = ROWS, cols = COLS): TrainedMatrix => ({
  name: 'w',
  weights: randomMatrix(1, rows, cols),
  initial: randomMatrix(2, rows, cols),
  displacement: randomMatrix(3, rows, cols),
})

const STEP_SIZE = 0.3
const SCALE = 0.6

const inner = (x: Float64Array, y: Float64Array): number =>
  x.reduce((sum, value, i) => sum + value * y[i]!, 0)

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

/** Both phases over the given ranges, each of every range done `times` times: by as many workers, if one died. */
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
  const { cols } = matrix.weights
  const parts = ranges.map(({ start, stop }) =>
    again(() => {
      const rows = gradient.subarray(start * cols, stop * cols)
      return propose(matrix, rows, start, stop, STEP_SIZE, comparator)
    }),
  )
  for (const { start, stop } of ranges) {
    const journal = new Int32Array(journalLength(stop - start, cols))
    again(() => settle(matrix, start, stop, SCALE, journal))
  }
  return sumProposals(parts)
}

const WHOLE = [{ start: 0, stop: ROWS }]
const bits = (matrix: Matrix) => Buffer.from(matrix.data.buffer).toString('hex')

t.test('the two phases are a projected step in float64', async t => {
  const matrix = trainedMatrix()
  const gradient = draw(4, ROWS * COLS)
  const comparator = randomMatrix(5)
  const before = Float64Array.from(matrix.displacement.data)
  const proposal = before.map((d, i) => d - STEP_SIZE * gradient[i]!)
  const sums = descend(matrix, gradient, WHOLE, 1, comparator)

  const g = Float64Array.from(gradient)
  const w = Float64Array.from(comparator.data)
  const minus = (x: Float64Array, y: Float64Array) => x.map((v, i) => v - y[i]!)
  const squared = (x: Float64Array) => inner(x, x)
  close(t, sums.normSquared, squared(proposal), RELATIVE, '‖V − W0‖²')
  close(t, sums.gradientSquared, squared(g), RELATIVE, '‖G‖²')
  const comparison = sums.comparison!
  close(t, comparison.inner, inner(g, minus(before, w)), RELATIVE, '⟨G, W − W†⟩')
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

  for (let i = 0; i < accepted.length; i++) {
    const d = matrix.displacement.data[i]! - accepted[i]!
    const weight = matrix.weights.data[i]! - (matrix.initial.data[i]! + accepted[i]!)
    if (Math.abs(d) > ROUNDING || Math.abs(weight) > 4 * ROUNDING)
      t.fail(`entry ${i} is off by ${d}, ${weight}`)
  }
})

t.test(
  'a range whose last numbers make no whole four is measured and settled to its end',
  async t => {
    for (const cols of [1, 2, 3, 5]) {
      const matrix = trainedMatrix(1, cols)
      const gradient = draw(4, cols)
      const proposal = matrix.displacement.data.map((d, i) => d - STEP_SIZE * gradient[i]!)
      const { normSquared, gradientSquared } = descend(matrix, gradient, [{ start: 0, stop: 1 }])
      const squares = (x: Float32Array) => x.reduce((sum, v) => sum + v * v, 0)
      close(t, normSquared, squares(proposal), 1e-13, `‖V − W0‖² of ${cols}`)
      close(t, gradientSquared, squares(gradient), 1e-13, `‖G‖² of ${cols}`)
      const settled = proposal.map((v, i) => matrix.initial.data[i]! + Math.fround(SCALE * v))
      t.same(matrix.weights.data, settled)
    }
  },
)

t.test('a phase done again over any range gives the same bits', async t => {
  const gradient = draw(4, ROWS * COLS)
  const ranges = [
    { start: 0, stop: 8 },
    { start: 8, stop: ROWS },
  ]
  const once = trainedMatrix()
  const thrice = trainedMatrix()
  t.same(descend(thrice, gradient, ranges, 3), descend(once, gradient, ranges))
  t.equal(bits(thrice.displacement), bits(once.displacement))
  t.equal(bits(thrice.weights), bits(once.weights))
})

/** Runs what writes the journal, and dies at its `nth` entry, before that is stored. */
const dyingAt = (journal: Int32Array, nth: number, spoil: () => void) => {
  let writes = 0
  const store = Atomics.store
  return (run: () => void) => {
    Atomics.store = ((array: Int32Array, index: number, value: number) => {
      if (array === journal && ++writes === nth) {
        spoil()
        throw new Error('died')
      }
      return store(array, index, value)
    }) as typeof store
    try {
      run()
    } finally {
      Atomics.store = store
    }
  }
}

t.test(
  'a worker may die anywhere in settle: another goes on from the journal, same bits',
  async t => {
    // three chunks, the last a short one: two stores each
    const [rows, cols] = [80, 1000]
    const chunk = 2 ** 15
    const length = journalLength(rows, cols)
    t.equal(length, 3)
    const gradient = draw(4, rows * cols)
    const range = { start: 0, stop: rows }
    const expected = trainedMatrix(rows, cols)
    descend(expected, gradient, [range])
    for (let nth = 1; nth <= 2 * length; nth++) {
      const matrix = trainedMatrix(rows, cols)
      propose(matrix, gradient, 0, rows, STEP_SIZE)
      const journal = new Int32Array(length)
      // what it was writing when it died may hold anything
      const first = Math.floor((nth - 1) / 2) * chunk
      const written = nth % 2 === 1 ? matrix.displacement : matrix.weights
      const spoil = () => written.data.fill(Number.NaN, first + 7, first + 10_000)
      t.throws(() => dyingAt(journal, nth, spoil)(() => settle(matrix, 0, rows, SCALE, journal)), {
        message: 'died',
      })
      settle(matrix, 0, rows, SCALE, journal)
      t.equal(bits(matrix.displacement), bits(expected.displacement), `D, died at store ${nth}`)
      t.equal(bits(matrix.weights), bits(expected.weights), `W, died at store ${nth}`)
    }
  },
)

t.test('how rows are dealt to workers does not change what is stored', async t => {
  const gradient = draw(4, ROWS * COLS)
  const whole = trainedMatrix()
  const dealt = trainedMatrix()
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

t.test('restore finds the weights of a projected step in the displacement', async t => {
  const matrix = trainedMatrix()
  descend(matrix, draw(4, ROWS * COLS), WHOLE)
  const left = bits(matrix.weights)
  matrix.weights.data.fill(7)
  restore(matrix, 0, ROWS)
  t.equal(bits(matrix.weights), left)
})

t.test('gradients may be tensors, of a block of rows or of all', async t => {
  const gradient = draw(4, ROWS * COLS)
  const a = trainedMatrix()
  const b = trainedMatrix()
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

for (const [name, skip] of Object.entries({ wasm: false, cpu: false, blas: missing }))
  t.test(`on ${name} combineInto writes the sum of shards, or adds it`, { skip }, async t => {
    await useBackend(name)
    const factors = [3, 5, 1].map((n, s) => ({
      signal: draw(10 + s, ROWS * n),
      input: draw(20 + s, n * COLS),
    }))
    const sum = new Float64Array(ROWS * COLS)
    for (const { signal, input } of factors) {
      const n = input.length / COLS
      for (let i = 0; i < sum.length; i++)
        for (let k = 0; k < n; k++)
          sum[i]! += signal[Math.floor(i / COLS) * n + k]! * input[k * COLS + (i % COLS)]!
    }
    const before = tf.memory().numTensors
    const out = new Float32Array(ROWS * COLS).fill(Number.NaN)
    combineInto(out, COLS, factors)
    // Nine products of float32 numbers below 16.
    const off = (times: number) =>
      out.reduce((worst, v, i) => Math.max(worst, Math.abs(v - times * sum[i]!)), 0)
    t.ok(off(1) < 1e-5, `off by ${off(1)}`)
    combineInto(out, COLS, factors, true)
    t.ok(off(2) < 2e-5, `off by ${off(2)}`)
    t.equal(tf.memory().numTensors, before)
    t.throws(() => combineInto(out, COLS, []), { code: 'RANGE' })
    t.throws(() => combineInto(out, COLS, [{ ...factors[0]!, input: factors[1]!.input }]), {
      code: 'SHAPE',
    })
    await useBackend('wasm')
  })

t.test('wrong rows, gradients and comparators are refused before anything is written', async t => {
  const matrix = trainedMatrix()
  const left = bits(matrix.weights)
  const gradient = draw(4, ROWS * COLS)
  const refused = (run: () => void, code: string) =>
    t.throws(run, { constructor: SaddleError, code })
  refused(() => propose(matrix, gradient, 0, ROWS + 1, STEP_SIZE), 'RANGE')
  refused(() => propose(matrix, gradient, 4, 4, STEP_SIZE), 'RANGE')
  refused(() => propose(matrix, gradient, 0, ROWS - 1, STEP_SIZE), 'SHAPE')
  refused(() => propose(matrix, gradient, 0, ROWS, STEP_SIZE, randomMatrix(1, 3, 3)), 'SHAPE')
  refused(() => settle(matrix, -1, 2, 1), 'RANGE')
  refused(() => settle(matrix, 0, ROWS, 1, new Int32Array(2)), 'SHAPE')
  refused(() => restore(matrix, 0, ROWS + 1), 'RANGE')
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
