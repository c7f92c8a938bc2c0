import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { currentBackend, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
// Not public: native code would read past the end of what it lets through.
import { gemm } from '../../dist/tensors/blas/gemm.js'

const missing = await useBackend('blas').then(
  () => false as const,
  (error: Error) => error.message,
)
const needsBlas = { skip: missing }

/** The numbers of `compute` on a backend, of tensors made there. */
async function on(backend: string, compute: () => tf.Tensor): Promise<Float32Array> {
  await useBackend(backend)
  return tf.tidy(() => Float32Array.from(compute().dataSync()))
}

/** Equal to the last bit, −0 unlike 0, NaN like NaN. */
function sameNumbers(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]))
}

const SPECIAL = [0, -0, 1, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
const number = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...SPECIAL, 1e-45, -1e-45, 3.4e38) },
  { weight: 2, arbitrary: fc.float({ noNaN: true }) },
)
const numbers = (length: number) => fc.array(number, { minLength: length, maxLength: length })
const integers = (length: number) =>
  fc.array(fc.integer({ min: -9, max: 9 }), { minLength: length, maxLength: length })
const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1)

t.test("TensorFlow.js's own tests of its backends pass on blas", needsBlas, async t => {
  const script = fileURLToPath(new URL('conformance/run.mjs', import.meta.url))
  const { stdout, stderr } = spawnSync(process.execPath, [script, 'blas'], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  const report = JSON.parse(stdout.trim().split('\n').at(-1) || `{"failures":[${stderr}]}`)
  t.comment(`${report.passed} specs passed, ${report.pending} are pending for every backend`)
  t.same(report.failures, [])
  t.ok(report.passed > 3800, `${report.passed} specs ran, of 3848 in TensorFlow.js 4.22`)
})

t.test('products equal those of the cpu backend: shapes, transpositions, batches', needsBlas, t =>
  fc.assert(
    fc.asyncProperty(
      fc
        .record({
          m: fc.integer({ min: 1, max: 9 }),
          n: fc.integer({ min: 1, max: 9 }),
          k: fc.integer({ min: 1, max: 9 }),
          // The cpu backend takes examples of a batch in turn, which is broadcasting only where one operand has one.
          batches: fc.constantFrom<number[][][]>(
            [[], []],
            [[3], [3]],
            [[3], [1]],
            [[1], [3]],
            [
              [2, 3],
              [1, 1],
            ],
          ),
          transposeA: fc.boolean(),
          transposeB: fc.boolean(),
        })
        .chain(shape => {
          const [a, b] = shape.batches as [number[], number[]]
          const { m, n, k, transposeA, transposeB } = shape
          const left = [...a, ...(transposeA ? [k, m] : [m, k])]
          const right = [...b, ...(transposeB ? [n, k] : [k, n])]
          return fc.record({
            left: fc.constant(left),
            right: fc.constant(right),
            transposeA: fc.constant(transposeA),
            transposeB: fc.constant(transposeB),
            // Small integers: float32 sums are exact in any order.
            x: integers(size(left)),
            y: integers(size(right)),
            bias: fc.option(integers(n)),
            activation: fc.constantFrom('linear', 'relu', 'relu6', 'elu', 'sigmoid'),
          })
        }),
      async ({ left, right, x, y, transposeA, transposeB, bias, activation }) => {
        const plain = () =>
          tf.matMul(tf.tensor(x, left), tf.tensor(y, right), transposeA, transposeB)
        const fused = () =>
          tf.fused.matMul({
            a: tf.tensor(x, left),
            b: tf.tensor(y, right),
            transposeA,
            transposeB,
            ...(bias === null ? {} : { bias: tf.tensor1d(bias) }),
            activation: activation as 'linear',
          })
        for (const compute of [plain, fused])
          t.ok(sameNumbers(await on('blas', compute), await on('cpu', compute)))
      },
    ),
    { numRuns: 150 },
  ),
)

t.test('batches of products broadcast over every dimension', needsBlas, async t => {
  const a = Array.from({ length: 2 * 3 * 2 }, (_, i) => i - 5)
  const b = Array.from({ length: 3 * 2 * 2 }, (_, i) => (i % 5) - 2)
  // [2, 1] × [1, 3]: each matrix of one with each of the other.
  const product = await on('blas', () =>
    tf.matMul(tf.tensor4d(a, [2, 1, 3, 2]), tf.tensor4d(b, [1, 3, 2, 2])),
  )
  const one = await on('cpu', () =>
    tf.stack(
      [0, 1].flatMap(i =>
        [0, 1, 2].map(j =>
          tf.matMul(
            tf.tensor2d(a.slice(6 * i, 6 * i + 6), [3, 2]),
            tf.tensor2d(b.slice(4 * j, 4 * j + 4), [2, 2]),
          ),
        ),
      ),
    ),
  )
  t.ok(sameNumbers(product, one))
})

t.test('a product over no terms is 0, and of no rows is empty', needsBlas, async t => {
  const none = await on('blas', () => tf.matMul(tf.zeros([3, 0]), tf.zeros([0, 2])))
  t.same([...none], [0, 0, 0, 0, 0, 0])
  t.equal((await on('blas', () => tf.matMul(tf.zeros([0, 3]), tf.zeros([3, 2])))).length, 0)
})

const SHAPES: readonly (readonly [number[], number[]])[] = [
  [[7], [7]],
  [
    [5, 6],
    [5, 6],
  ],
  [
    [5, 6],
    [5, 1],
  ],
  [
    [5, 1],
    [5, 6],
  ],
  [[5, 6], [6]],
  [[6], [5, 6]],
  [[5, 6], []],
  [[], [5, 6]],
  [
    [5, 1],
    [1, 6],
  ],
  [
    [2, 3, 4],
    [2, 1, 1],
  ],
  [
    [2, 3, 4],
    [1, 3, 1],
  ],
  [
    [2, 1, 3],
    [1, 4, 1],
  ],
  [
    [0, 3],
    [1, 3],
  ],
]
const BINARY = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  maximum: tf.maximum,
  minimum: tf.minimum,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
  equal: tf.equal,
  notEqual: tf.notEqual,
}

t.test(
  'two operands give the bits of the cpu backend, whatever is broadcast: NaN, −0 and ∞ too',
  needsBlas,
  t =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SHAPES).chain(([a, b]) =>
          fc.record({
            a: fc.constant(a),
            b: fc.constant(b),
            x: numbers(size(a)),
            y: numbers(size(b)),
          }),
        ),
        async ({ a, b, x, y }) => {
          for (const [name, compute] of Object.entries(BINARY)) {
            const both = () => compute(tf.tensor(x, a), tf.tensor(y, b))
            t.ok(sameNumbers(await on('blas', both), await on('cpu', both)), name)
          }
        },
      ),
      { numRuns: 60 },
    ),
)

const UNARY: Readonly<Record<string, (x: tf.Tensor2D, y: tf.Tensor2D) => tf.Tensor>> = {
  relu: x => tf.relu(x),
  step: x => tf.step(x),
  'step with a slope': x => tf.step(x, 0.25),
  abs: x => tf.abs(x),
  neg: x => tf.neg(x),
  sqrt: x => tf.sqrt(x),
  square: x => tf.square(x),
  'sum of rows': x => tf.sum(x, 1),
  'sum of columns': x => tf.sum(x, 0),
  'sum, kept': x => tf.sum(x, 1, true),
  max: x => tf.max(x, 1),
  'max of columns': x => tf.max(x, 0, true),
  transpose: x => tf.transpose(x),
  columns: x => tf.slice2d(x, [0, 1], [-1, 2]),
  rows: x => tf.slice2d(x, [1, 0], [1, -1]),
  'concat below': (x, y) => tf.concat([x, y], 0),
  'concat beside': (x, y) => tf.concat([x, y, x], 1),
  where: (x, y) => tf.where(tf.greater(x, y), x, y),
  'where, by rows': (x, y) => tf.where(tf.tensor2d([1, 0, 1, 1], [4, 1], 'bool'), x, y),
  'cast of flags': (x, y) => tf.mul(tf.cast(tf.greater(x, y), 'float32'), y),
  'cast of integers': x =>
    tf.add(tf.cast(tf.cast(tf.clipByValue(x, -9, 9), 'int32'), 'float32'), x),
}

t.test('one operand gives the bits of the cpu backend: NaN, −0 and ∞ too', needsBlas, t =>
  fc.assert(
    fc.asyncProperty(numbers(20), numbers(20), async (x, y) => {
      for (const [name, compute] of Object.entries(UNARY)) {
        const both = () => compute(tf.tensor2d(x, [4, 5]), tf.tensor2d(y, [4, 5]))
        t.ok(sameNumbers(await on('blas', both), await on('cpu', both)), name)
      }
    }),
    { numRuns: 60 },
  ),
)

t.test('an array of another length than its shape never reaches native code', async t => {
  const never = () => t.fail('the library was called')
  const shape = { m: 2, n: 3, k: 4 }
  const call = (a: number, b: number, c: number) => () =>
    gemm(
      never,
      shape,
      { data: new Float32Array(a), transposed: false },
      { data: new Float32Array(b), transposed: true },
      new Float32Array(c),
    )
  t.throws(call(7, 12, 6), { code: 'SHAPE', message: /left operand.*2 × 4 = 8.*of 7/ })
  t.throws(call(8, 13, 6), { code: 'SHAPE', message: /right operand.*3 × 4 = 12.*of 13/ })
  t.throws(call(8, 12, 5), { code: 'SHAPE', message: /result.*2 × 3 = 6.*of 5/ })
})

t.test('a product takes parts of matrices, adds, and leaves the gaps alone', needsBlas, async t => {
  await useBackend('blas')
  const algebra = currentBackend().algebra!()!
  const size = fc.integer({ min: 1, max: 9 })
  fc.assert(
    fc.property(
      size,
      size,
      size,
      fc.nat(3),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      (...args) => {
        const [m, n, k, gap, opA, opB, add] = args
        const matrix = (rows: number, cols: number) =>
          Float32Array.from(
            { length: (rows - 1) * (cols + gap) + cols },
            (_, j) => ((j * 7) % 11) - 5,
          )
        const [aCols, bCols] = [opA ? m : k, opB ? k : n]
        const [a, b] = [matrix(opA ? k : m, aCols), matrix(opB ? n : k, bCols)]
        const c = matrix(m, n)
        const wanted = c.slice()
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++) {
            let sum = add ? c[i * (n + gap) + j]! : 0
            for (let l = 0; l < k; l++)
              sum +=
                a[opA ? l * (aCols + gap) + i : i * (aCols + gap) + l]! *
                b[opB ? j * (bCols + gap) + l : l * (bCols + gap) + j]!
            wanted[i * (n + gap) + j] = sum
          }
        algebra.product(
          { m, n, k },
          { data: a, transposed: opA, stride: aCols + gap },
          { data: b, transposed: opB, stride: bCols + gap },
          c,
          { add, stride: n + gap },
        )
        t.same(c, wanted, 'integers, so exact')
      },
    ),
    { numRuns: 100 },
  )
  const [x, y] = [
    Float32Array.from({ length: 300 }, (_, j) => j % 5),
    new Float32Array(300).fill(2),
  ]
  for (const length of [7, 300]) {
    const part = y.slice(0, length)
    algebra.axpy(3, x.subarray(0, length), part)
    t.same(
      part,
      x.subarray(0, length).map(v => 2 + 3 * v),
    )
  }
  t.throws(() => algebra.axpy(1, x, y.subarray(1)), { code: 'SHAPE' })
  const tight = new Float32Array(8)
  const shape = { m: 2, n: 2, k: 2 }
  const operand = { data: tight, transposed: false, stride: 4 }
  t.throws(() => algebra.product(shape, { ...operand, stride: 7 }, operand, tight), {
    code: 'SHAPE',
    message: /left operand.*7 from row to row.*= 9 float32/,
  })
})

t.test('weights in shared memory are read where they lie, from any offset', needsBlas, async t => {
  await useBackend('blas')
  const shared = new Float32Array(new SharedArrayBuffer(4 * 100), 4 * 3, 6)
  shared.set([1, 2, 3, 4, 5, 6])
  const w = tf.tensor2d(shared, [3, 2])
  const x = tf.tensor2d([1, 10], [2, 1])
  const times = () => tf.tidy(() => [...tf.matMul(w, x).dataSync()])
  t.same(times(), [21, 43, 65])
  shared[5] = 0
  t.same(times(), [21, 43, 5], 'a later write is seen')
  tf.dispose([w, x])
})

t.test('what a caller has read stays as it was, whatever is computed later', needsBlas, async t => {
  await useBackend('blas')
  const n = 5000
  const read = tf.tidy(() => tf.add(tf.ones([n]), 1).dataSync())
  const view = tf.tidy(() => tf.slice1d(tf.add(tf.ones([n]), 2), 0, n - 1).dataSync())
  for (let i = 0; i < 5; i++) tf.tidy(() => tf.mul(tf.ones([n]), 7))
  t.ok(read.every(value => value === 2))
  t.ok(view.every(value => value === 3))
})

t.test('without a BLAS the reason names what was tried and what to install', async t => {
  const script = "await (await import('@saddle/core')).useBackend('blas')"
  const env = { ...process.env, SADDLE_BLAS: '/nowhere/libblas.so' }
  const { stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { env, encoding: 'utf8', cwd: fileURLToPath(new URL('.', import.meta.url)) },
  )
  t.not(status, 0)
  t.match(stderr, /SADDLE_BLAS.*\/nowhere\/libblas\.so.*apt install libopenblas0-pthread/s)
})
