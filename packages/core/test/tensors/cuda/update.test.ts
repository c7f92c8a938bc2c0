import {
  allocateMatrix,
  examplesThatFit,
  type FactorArrays,
  type Matrix,
  matricesChanged,
  type ProposalSums,
  propose,
  scoped,
  settle,
  timesMatrix,
  useBackend,
  withPrecision,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t, { type Test } from 'tap'
import { closeCuda, openUpdate } from '../../../dist/tensors/cuda/backend.js'
import type { CudaStorage } from '../../../dist/tensors/cuda/storage.js'
import { openCudaUpdate } from '../../../dist/tensors/cuda/update.js'
import { normals } from '../../networks/reference.js'
import { buildFake, noCompiler } from './fake/build.js'
import { counterOf } from './fake/counts.js'

/** Updates on the device against those of the host (core/descent). */
if (noCompiler !== false) {
  t.pass('no update on cuda is tested here', { skip: noCompiler })
  process.exit(0)
}

const fake = buildFake()
Object.assign(process.env, { SADDLE_CUDA_LIBRARIES: fake.folder, XDG_CACHE_HOME: fake.folder })
const counts = counterOf(fake)
await useBackend('cuda')
t.teardown(() => {
  closeCuda()
  fake.remove()
})

const [ROWS, COLS] = [7, 5]

function matrixOf(values: Float32Array): Matrix {
  const matrix = allocateMatrix(ROWS, COLS)
  matrix.data.set(values)
  return matrix
}

/** Two equal matrices at W = W_0 + D: one for the host, one for the device. */
function twins() {
  const [initial, moved] = [normals(ROWS * COLS, 3), normals(ROWS * COLS, 5, 0.1)]
  return [0, 1].map(() => {
    const displacement = matrixOf(moved)
    return {
      name: 'layers.1',
      initial: matrixOf(initial),
      displacement,
      weights: matrixOf(initial.map((v, i) => v + displacement.data[i]!)),
    }
  }) as [Twin, Twin]
}
type Twin = { name: string; initial: Matrix; displacement: Matrix; weights: Matrix }

/** Factors of shards of 3, 3 and 2 examples, of small whole numbers: their products are exact in any order. */
const factors: FactorArrays[] = [3, 3, 2].map((n, s) => ({
  signal: Float32Array.from({ length: ROWS * n }, (_, i) => ((i * 7 + s) % 11) - 5),
  input: Float32Array.from({ length: n * COLS }, (_, i) => ((i * 5 + s) % 7) - 3),
}))

/** Σ_s signal_s · input_s. */
const gradient = Float32Array.from({ length: ROWS * COLS }, (_, i) => {
  const [r, c] = [Math.floor(i / COLS), i % COLS]
  let sum = 0
  for (const { signal, input } of factors) {
    const n = input.length / COLS
    for (let e = 0; e < n; e++) sum += signal[r * n + e]! * input[e * COLS + c]!
  }
  return sum
})

const floats = (tensor: tf.Tensor) => tensor.dataSync<'float32'>()
/** W as passes see it. */
const seen = ({ weights }: Twin) =>
  scoped(() => floats(timesMatrix(weights, tf.eye(COLS) as tf.Tensor2D)).slice())

function assertSums(t: Test, got: ProposalSums, wanted: ProposalSums) {
  const flat = ({ comparison, ...rest }: ProposalSums) => ({ ...rest, ...comparison })
  const [a, b] = [flat(got), flat(wanted)] as Record<string, number>[]
  t.same(Object.keys(a!), Object.keys(b!))
  for (const [name, value] of Object.entries(b!))
    t.ok(Math.abs(a![name]! - value) <= 1e-13 * Math.abs(value), `${name}: ${a![name]}, ${value}`)
}

t.test(
  'two steps have the bits of the host, whatever the blocks, and sums to rounding',
  async t => {
    const other = matrixOf(normals(ROWS * COLS, 9, 0.2))
    for (const block of [1 << 26, 2 * COLS, 1]) {
      for (const comparator of [undefined, other]) {
        const [host, device] = twins()
        const update = openCudaUpdate(tf.backend() as CudaStorage, device, block)
        t.same(seen(device), host.weights.data, 'W is made on the device')
        const before = device.displacement.data.slice()
        for (const [step, scale] of [
          [0.01, 1],
          [0.02, 0.7],
        ] as const) {
          const wanted = propose(host, gradient, 0, ROWS, step, comparator)
          assertSums(t, update.propose(factors, step, comparator), wanted)
          assertSums(t, update.propose(factors, step, comparator), wanted)
          settle(host, 0, ROWS, scale)
          update.settle(scale)
          const d = new Float32Array(ROWS * COLS)
          update.read(d)
          t.same(d, host.displacement.data, `D after α = ${step}, c = ${scale}`)
          t.same(seen(device), host.weights.data, 'and W')
        }
        t.same(device.displacement.data, before, "the host's D is left alone")
        update.close()
      }
    }
  },
)

t.test('a copy of the weights in bf16 is made anew after an update, and only then', async t => {
  const [, device] = twins()
  const update = openUpdate(device)
  const one = tf.eye(COLS) as tf.Tensor2D
  const narrow = () =>
    withPrecision('bf16', () => scoped(() => floats(timesMatrix(device.weights, one)).slice()))
  const first = narrow()
  const launches = counts().launches
  t.same(narrow(), first)
  t.equal(counts().launches - launches, 1, 'only the other operand was rounded')
  update.propose(factors, 0.01)
  update.settle(1)
  const second = narrow()
  t.notSame(second, first)
  const whole = seen(device)
  t.ok(second.every((v, i) => Math.abs(v - whole[i]!) <= 2 ** -8 * Math.abs(whole[i]!)))
  update.close()
  one.dispose()
})

t.test('an update gives back all that it held, and sends D and W_0 only', async t => {
  const state = () => (tf.memory() as unknown as { bytesInUse: number }).bytesInUse
  matricesChanged()
  const before = state()
  const [, device] = twins()
  const sent = counts().uploadedBytes
  const update = openUpdate(device)
  update.propose(factors, 0.01)
  update.settle(0.5)
  const bytes = factors.reduce((sum, f) => sum + f.signal.byteLength + f.input.byteLength, 0)
  t.equal(counts().uploadedBytes - sent, 2 * 4 * ROWS * COLS + bytes)
  update.close()
  matricesChanged()
  t.equal(state(), before)
  t.throws(
    () => {
      const again = openUpdate(device)
      try {
        again.propose([{ signal: new Float32Array(3), input: new Float32Array(COLS) }], 1)
      } finally {
        again.close()
      }
    },
    { code: 'SHAPE' },
  )
})

t.test('the examples that fit a device are in proportion to what they take', async t => {
  // 64 examples took 600 of 1000 bytes beside 300 that stay, and asked for 300 more.
  const held = { asked: 300, toStay: false, inUse: 900, staying: 300 }
  t.equal(examplesThatFit(held, 100, 64), Math.floor(700 / ((9 / 8) * (900 / 64))))
  t.equal(examplesThatFit(held, 1e9, 64), 63, 'fewer than there were')
  t.equal(examplesThatFit({ ...held, inUse: 300 }, 100, 1), 0)
  const matrix = { ...held, toStay: true }
  t.equal(examplesThatFit(matrix, 100, 64), Math.floor(400 / ((9 / 8) * (600 / 64))))
  t.equal(examplesThatFit({ ...matrix, inUse: 300 }, 100, 64), 0)
})
