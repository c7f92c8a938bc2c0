import {
  lossFrom,
  type Matrix,
  matricesChanged,
  perturbationSetFrom,
  pickRows,
  rowsAbove,
  scoped,
  timesMatrix,
  useBackend,
  withPrecision,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import { closeCuda } from '../../../dist/tensors/cuda/backend.js'
import {
  allocateMatrix,
  eachRowBlock,
  matrixTimes,
  writeMatrix,
} from '../../../dist/tensors/matrix.js'
import { describe, passesOf, SPECS, setUp, TOLERANCE, worst } from '../../networks/cases.js'
import { normals } from '../../networks/reference.js'
import { apply, type Batch, randomBatch, sameBits, setCases } from '../../perturbation/cases.js'
import { buildFake, noCompiler } from './fake/build.js'
import { counterOf, countsOf } from './fake/counts.js'

/** The numbers of the backend's kernels, compiled from their CUDA source for the fake, against the cpu backend's. */
if (noCompiler !== false) {
  t.pass('no number of cuda is tested here', { skip: noCompiler })
  process.exit(0)
}

const fake = buildFake()
Object.assign(process.env, { SADDLE_CUDA_LIBRARIES: fake.folder, XDG_CACHE_HOME: fake.folder })
const counts = counterOf(fake)
const onHost: string[] = []
process.on('warning', ({ message }) => onHost.push(message))
t.teardown(() => {
  closeCuda()
  fake.remove()
})

async function on(backend: string, compute: () => tf.Tensor): Promise<Float32Array> {
  await useBackend(backend)
  return scoped(() => Float32Array.from(compute().dataSync()))
}

const length = fc.integer({ min: 1, max: 4 })

t.test('kernels broadcast, slice, join, turn and reduce as the cpu backend does', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(length, { minLength: 1, maxLength: 5 }),
      fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
      fc.array(fc.nat(), { minLength: 5, maxLength: 5 }),
      fc.boolean(),
      async (shape, flags, order, keepDims) => {
        const size = tf.util.sizeFromShape(shape)
        const part = shape.map((n, d) => (flags[d] ? n : 1))
        const axes = shape.map((_, d) => d).filter(d => flags[d])
        const permutation = shape.map((_, d) => d).sort((p, q) => order[p]! - order[q]!)
        // Integers: sums are exact in any order.
        const x = () =>
          tf.tensor(
            Array.from({ length: size }, (_, i) => ((i * 7) % 11) - 5),
            shape,
          )
        const y = () =>
          tf.tensor(
            Array.from({ length: tf.util.sizeFromShape(part) }, (_, i) => ((i * 5) % 7) - 3),
            part,
          )
        const begin = shape.map((n, d) => order[d]! % n)
        const computations: (() => tf.Tensor)[] = [
          () => tf.add(x(), y()),
          () => tf.sub(y(), x()),
          () => tf.div(x(), y()),
          () => tf.maximum(x(), y()),
          () => tf.cast(tf.lessEqual(y(), x()), 'float32'),
          () => tf.transpose(x(), permutation),
          () =>
            tf.slice(
              x(),
              begin,
              shape.map((n, d) => n - begin[d]!),
            ),
          () => tf.reverse(x(), axes),
          () =>
            tf.tile(
              x(),
              shape.map((_, d) => 1 + (order[d]! % 3)),
            ),
          () => tf.concat([x(), x()], order[0]! % shape.length),
          () => tf.gather(x(), [0, shape.at(-1)! - 1, 0], shape.length - 1),
          () => tf.argMax(x(), order[0]! % shape.length),
          ...(axes.length === 0
            ? []
            : [
                () => tf.sum(x(), axes, keepDims),
                () => tf.max(x(), axes, keepDims),
                () => tf.min(x(), axes, keepDims),
                () => tf.cast(tf.any(tf.greater(x(), 4), axes, keepDims), 'float32'),
                () => tf.cast(tf.all(tf.less(x(), 4), axes, keepDims), 'float32'),
              ]),
        ]
        for (const compute of computations)
          t.same(await on('cuda', compute), await on('cpu', compute), String(compute))
      },
    ),
    { numRuns: 25 },
  ),
)

t.test('long reductions, in lanes, equal the sum of integers', async t => {
  for (const [shape, axis] of [
    [[3, 5000], 1],
    [[5000, 3], 0],
    [[2, 1025, 3], 1],
    [[70_000], 0],
  ] as const) {
    const values = Array.from({ length: tf.util.sizeFromShape([...shape]) }, (_, i) => (i % 13) - 6)
    for (const reduce of [tf.sum, tf.max, tf.mean] as const) {
      const compute = () => reduce(tf.tensor(values, [...shape]), axis)
      // A mean is multiplied by 1/n where the cpu divides: two roundings.
      const error = worst(await on('cuda', compute), await on('cpu', compute))
      t.ok(error <= (reduce === tf.mean ? 2e-7 : 0), `${reduce.name} of [${shape}]: ${error}`)
    }
  }
})

t.test('NaN and infinities go through as on the cpu', async t => {
  const x = () =>
    tf.tensor1d([Number.NaN, Number.POSITIVE_INFINITY, -0, -1, 2, Number.NEGATIVE_INFINITY])
  for (const [name, compute] of Object.entries({
    relu: () => tf.relu(x()),
    step: () => tf.step(x()),
    clip: () => tf.clipByValue(x(), -1, 1),
    maximum: () => tf.maximum(x(), 0),
    minimum: () => tf.minimum(0, x()),
    max: () => tf.max(x()),
    log1p: () => tf.log1p(x()),
    isNaN: () => tf.isNaN(x()),
    where: () => tf.where(tf.greater(x(), 0), x(), tf.zerosLike(x())),
  } satisfies Record<string, () => tf.Tensor>)) {
    const [got, wanted] = [await on('cuda', compute), await on('cpu', compute)]
    t.same(
      [...got],
      [...wanted].map(v => (v === 0 ? 0 : v)).map((v, i) => (Object.is(got[i], -0) ? -0 : v)),
      name,
    )
  }
})

t.test('the passes of every network equal those of the cpu', async t => {
  for (const spec of SPECS) {
    const { network, parameters, x, c } = setUp(spec)
    await useBackend('cpu')
    const wanted = passesOf(network, parameters, x, c)
    await useBackend('cuda')
    const got = passesOf(network, parameters, x, c)
    const errors = [
      worst(got.outputs, wanted.outputs),
      worst(got.inputGradient, wanted.inputGradient),
      ...got.weightGradients.map((g, i) => worst(g, wanted.weightGradients[i]!)),
    ]
    t.ok(Math.max(...errors) < TOLERANCE, `${describe(spec)}: ${errors}`)
  }
})

t.test('losses and their derivatives equal those of the cpu', async t => {
  const outputs = normals(24, 17, 3)
  for (const name of [
    'huber:0.5',
    'pseudo-huber:2',
    'log-cosh',
    'smooth-hinge',
    'logistic',
    'square',
    'hinge',
    'absolute',
    'cross-entropy',
  ]) {
    const loss = lossFrom(name)
    const [rows, cols] = loss.outputs === 'scalar' ? [24, 1] : [8, 3]
    const f = () => tf.tensor2d(outputs, [rows, cols])
    const y = () =>
      tf.tensor1d(Array.from({ length: rows }, (_, i) => (cols === 1 ? (i % 2) * 2 - 1 : i % 3)))
    for (const compute of [() => loss.value(f(), y()), () => loss.derivative(f(), y())])
      t.ok(worst(await on('cuda', compute), await on('cpu', compute)) < TOLERANCE, name)
  }
})

t.test('every perturbation set projects, steps and measures as on the cpu', async t => {
  const [n, d] = [6, 5]
  for (const { kind, domain } of setCases) {
    const set = perturbationSetFrom({ kind, radius: 0.2 })
    const raw = normals(n * d, 23)
    const rows = (data: Float32Array) => tf.tensor2d(data, [n, d])
    const centreData = raw.map((v, j) => {
      const row = raw.subarray(d * Math.floor(j / d), d * (Math.floor(j / d) + 1))
      const norm = Math.hypot(...row)
      if (domain === 'box') return 1 / (1 + Math.exp(-v))
      if (domain === 'space') return v
      return (domain === 'chart' ? 0.5 : 1) * (v / norm)
    })
    const centres = () => rows(centreData)
    const points = () => tf.add(centres(), rows(normals(n * d, 29, 0.3))) as tf.Tensor2D
    const gradient = () => rows(normals(n * d, 31))
    const inside = () => set.project(centres(), points())
    for (const [what, compute] of Object.entries({
      project: inside,
      distance: () => set.distance(centres(), inside()),
      contains: () => tf.cast(set.contains(centres(), inside()), 'float32'),
      steepest: () => set.steepest(inside(), gradient()),
      advance: () => set.advance(centres(), inside(), gradient(), 0.05),
      maximiseLinear: () => set.maximiseLinear(centres(), gradient()),
    } satisfies Record<string, () => tf.Tensor>)) {
      const error = worst(await on('cuda', compute), await on('cpu', compute))
      // Roots and projections on spheres lose a digit to either backend's float32.
      t.ok(error < 10 * TOLERANCE, `${kind} ${what}: ${error}`)
    }
  }
})

t.test('fused steps of an attack are those of the loops over rows', async t => {
  const fused = setCases.filter(({ kind }) => ['l2', 'linf', 'box-linf', 'cap'].includes(kind))
  for (const [at, [d, radius]] of [
    [3, 0.6],
    [80, 0.04],
  ].entries())
    for (const c of fused) {
      const batch = randomBatch(c, d!, radius!, 12, at)
      const inside = await resultOn('cpu', batch, batch.points, (x0, x) => batch.set.project(x0, x))
      const gradient = () => tf.tensor2d(batch.gradients, [batch.n, d!])
      const steps: Record<string, [Float32Array, (x0: tf.Tensor2D, x: tf.Tensor2D) => tf.Tensor]> =
        {
          project: [batch.points, (x0, x) => batch.set.project(x0, x)],
          advance: [inside, (x0, x) => batch.set.advance(x0, x, gradient(), radius! / 4)],
          'advance far': [inside, (x0, x) => batch.set.advance(x0, x, gradient(), 3 * radius!)],
          stand: [inside, (x0, x) => batch.set.advance(x0, x, tf.zerosLike(x), radius!)],
        }
      for (const [what, [points, step]] of Object.entries(steps)) {
        const got = await resultOn('cuda', batch, points, step)
        const error = worst(got, await resultOn('cpu', batch, points, step))
        // Both are float64 rounded once; a cap's loops round z to float32 on the way.
        t.ok(error < (c.kind === 'cap' ? 5e-7 : 1.3e-7), `${c.kind} ${what} d = ${d}: ${error}`)
        t.ok(sameBits(got.slice(0, d), batch.centres.slice(0, d)), 'the centre is the centre')
      }
      const nan = batch.gradients.slice().fill(Number.NaN, d!, 2 * d!)
      const lost = await resultOn('cuda', batch, inside, (x0, x) =>
        batch.set.advance(x0, x, tf.tensor2d(nan, [batch.n, d!]), radius!),
      )
      t.ok(lost.slice(d, 2 * d!).every(Number.isNaN), `${c.kind}: what is not a number stays so`)
      t.notOk(lost.slice(2 * d!).some(Number.isNaN), 'in its row only')
    }
})

t.test('opposite to the centre of a cap every tangent will do, and both take the same', async t => {
  const cap = setCases.find(({ kind }) => kind === 'cap')!
  const batch = randomBatch(cap, 7, 1.2, 5, 3)
  const opposite = batch.centres.map(v => -v)
  const project = (x0: tf.Tensor2D, x: tf.Tensor2D) => batch.set.project(x0, x)
  const got = await resultOn('cuda', batch, opposite, project)
  t.ok(worst(got, await resultOn('cpu', batch, opposite, project)) < 1e-6)
  const inside = await resultOn('cpu', batch, got, (x0, x) =>
    tf.cast(batch.set.contains(x0, x), 'float32'),
  )
  t.ok(inside.every(v => v === 1))
})

t.test('rows are picked and kept as by operations on tensors', async t => {
  const x = normals(4 * 70, 51)
  x.fill(1e-8, 70, 140)
  x[2 * 70 + 3] = Number.NaN
  for (const compute of [
    () => rowsAbove(tf.tensor2d(x, [4, 70]), tf.tensor2d([0.1, 1e-6, 0.1, 9], [4, 1])),
    () =>
      pickRows(
        tf.tensor2d([1, 0, 0, 1], [4, 1], 'bool'),
        tf.tensor2d(x, [4, 70]),
        tf.zeros([4, 70]) as tf.Tensor2D,
      ),
  ] satisfies (() => tf.Tensor)[]) {
    const [got, wanted] = [await on('cuda', compute), await on('wasm', compute)]
    t.same(
      [...got].map(v => v + 0),
      [...wanted].map(v => v + 0),
    )
  }
})

async function resultOn(
  backend: string,
  batch: Batch,
  rows: Float32Array,
  step: (centres: tf.Tensor2D, rows: tf.Tensor2D) => tf.Tensor,
): Promise<Float32Array> {
  await useBackend(backend)
  return apply(batch, rows, step).slice()
}

t.test('networks, losses and sets never left the device for want of a kernel', async t => {
  t.same(onHost, [])
})

/** To the nearest number with `bits` bits of mantissa, ties to the even one: in float64, by scaling. */
function roundTo(bits: number, x: number): number {
  if (x === 0 || !Number.isFinite(x)) return x
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - bits + 1)
  const [low, rest] = [Math.floor(x / unit), x / unit - Math.floor(x / unit)]
  const up = rest > 0.5 || (rest === 0.5 && low % 2 !== 0)
  return unit * (low + (up ? 1 : 0))
}

t.test('bf16 rounds the operands of products to 8 bits, and adds in float32', async t => {
  const [m, k, n] = [5, 7, 4]
  const [a, b] = [normals(3 * m * k, 41), normals(3 * k * n, 43)]
  a.set([1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8, 2 ** -130, 0, 3e30])
  const rounded = (bits: number) => (values: Float32Array) => values.map(v => roundTo(bits, v))
  const products = {
    plain: (a: Float32Array, b: Float32Array) =>
      tf.matMul(tf.tensor2d(a.slice(0, m * k), [m, k]), tf.tensor2d(b.slice(0, k * n), [k, n])),
    transposed: (a: Float32Array, b: Float32Array) =>
      tf.matMul(
        tf.tensor2d(a.slice(0, m * k), [k, m]),
        tf.tensor2d(b.slice(0, k * n), [n, k]),
        true,
        true,
      ),
    batched: (a: Float32Array, b: Float32Array) =>
      tf.matMul(tf.tensor3d(a, [3, m, k]), tf.tensor3d(b, [3, k, n])),
    'batched, one for all': (a: Float32Array, b: Float32Array) =>
      tf.matMul(tf.tensor3d(a, [3, m, k]), tf.tensor2d(b.slice(0, k * n), [k, n])),
  }
  for (const [name, product] of Object.entries(products)) {
    const got = await on('cuda', () => withPrecision('bf16', () => product(a, b)))
    const wanted = await on('cpu', () => product(rounded(8)(a), rounded(8)(b)))
    const whole = await on('cuda', () => product(a, b))
    const relative = (x: Float32Array) =>
      Math.max(...x.map((v, i) => Math.abs(v - wanted[i]!) / (1 + Math.abs(wanted[i]!))))
    t.ok(relative(got) < 1e-6, `${name}: ${relative(got)}`)
    t.ok(relative(whole) > 1e-4, `${name} in float32 is something else`)
  }
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, 3.4e38]
  const kept = await on('cuda', () =>
    withPrecision('bf16', () => tf.matMul(tf.tensor2d(odd, [3, 1]), tf.ones([1, 1]))),
  )
  t.same([...kept], [Number.NaN, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
})

t.test('of a matrix that stays, the copy in bf16 stays until it changes', async t => {
  await useBackend('cuda')
  matricesChanged()
  const matrix: Matrix = allocateMatrix(3, 2)
  matrix.data.set([1 + 2 ** -9, 2, 3, 4, 5, 6])
  const { bytesInUse } = tf.memory() as unknown as { bytesInUse: number }
  const x = tf.tensor2d([1, 1], [2, 1])
  const sums = () =>
    withPrecision('bf16', () => scoped(() => [...timesMatrix(matrix, x).dataSync()]))
  t.same(sums(), [3, 7, 11])
  const second = await countsOf(counts, sums)
  t.match(second, { launches: 1, bf16: 1, float32: 0, uploads: 0 }, 'only x is rounded')
  const rows = await countsOf(counts, () =>
    withPrecision('bf16', () =>
      scoped(() =>
        eachRowBlock(matrix, block => t.same([...tf.matMul(block, x).dataSync()], [3, 7, 11])),
      ),
    ),
  )
  t.equal(rows.launches, 1, 'a block of rows is a part of both copies')
  matrix.data[0] = 10
  matricesChanged([allocateMatrix(3, 2)])
  t.same(sums(), [3, 7, 11], 'another matrix changed')
  matricesChanged([matrix])
  t.same(sums(), [12, 7, 11])
  matricesChanged()
  x.dispose()
  t.equal((tf.memory() as unknown as { bytesInUse: number }).bytesInUse, bytesInUse)
})

t.test('passes of two branches send each matrix once, and no row of one again', async t => {
  for (const spec of SPECS.filter(({ depth }) => depth < 3)) {
    const { network, parameters, x, c } = setUp(spec)
    await useBackend('cuda')
    matricesChanged()
    passesOf(network, parameters, x, c)
    const bytes = 4 * Math.max(x.length, c.length)
    const again = await countsOf(counts, () => passesOf(network, parameters, x, c))
    t.ok(again.uploads > 0 && again.uploadedBytes <= again.uploads * bytes, describe(spec))
  }
})

t.test('a matrix is sent once, and again after matricesChanged', async t => {
  await useBackend('cuda')
  const matrix: Matrix = allocateMatrix(3, 2)
  matrix.data.set([1, 2, 3, 4, 5, 6])
  const sums = () => scoped(() => [...timesMatrix(matrix, tf.tensor2d([1, 1], [2, 1])).dataSync()])
  t.same(sums(), [3, 7, 11])
  matrix.data[0] = 10
  t.same(sums(), [3, 7, 11], 'what other threads write is not looked at before')
  matricesChanged()
  t.same(sums(), [12, 7, 11])
  scoped(() => writeMatrix(matrix, tf.zeros([3, 2])))
  t.same(sums(), [0, 0, 0], 'writing through writeMatrix says so by itself')
  const before = tf.memory().numTensors
  matrix.data.set([1, 2, 3, 4, 5, 6])
  matricesChanged()
  const seen: number[] = []
  eachRowBlock(matrix, (block, start) => void seen.push(start, ...block.dataSync()))
  t.same(seen, [0, 1, 2, 3, 4, 5, 6])
  t.same(
    scoped(() => [...matrixTimes(tf.tensor2d([1, 10, 100], [1, 3]), matrix).dataSync()]),
    [531, 642],
  )
  t.equal(tf.memory().numTensors, before, 'one copy of one matrix, and nothing else')
  matricesChanged()
  t.equal(tf.memory().numTensors, before - 1)
})
