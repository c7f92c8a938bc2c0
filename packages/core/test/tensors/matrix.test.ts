import {
  allocateMatrix,
  blockRows,
  eachRowBlock,
  matrixTimes,
  registerBackend,
  rowBlocks,
  SaddleError,
  timesMatrix,
  useBackend,
  writeMatrix,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'

/** A matrix whose entries are small integers, so that float32 products are exact and can be compared with ===. */
function integers(rows: number, cols: number, salt: number) {
  const matrix = allocateMatrix(rows, cols)
  for (let i = 0; i < matrix.data.length; i++) matrix.data[i] = ((i * 7 + salt) % 11) - 5
  return matrix
}

function product(a: Float32Array, b: Float32Array, n: number, k: number, m: number): number[] {
  const out = new Array<number>(n * m).fill(0)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++)
      for (let l = 0; l < k; l++) out[i * m + j]! += a[i * k + l]! * b[l * m + j]!
  return out
}

t.test('row blocks cover every row once, in order, at most 2 MiB each', async t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e7 }),
      fc.integer({ min: 1, max: 1e5 }),
      (rows, cols) => {
        const step = blockRows(rows, cols)
        t.ok(step <= 8 || step * cols <= 1 << 19)
        const blocks = rowBlocks(Math.min(rows, 20 * step + 3), cols)
        let next = 0
        for (const { start, stop } of blocks) {
          t.equal(start, next)
          t.ok(stop > start)
          next = stop
        }
        t.equal(next, Math.min(rows, 20 * step + 3))
      },
    ),
    { numRuns: 50 },
  )
})

for (const backend of ['cpu', 'wasm']) {
  t.test(
    `${backend}: W X and P W equal the triple loop, over one block and over several`,
    async t => {
      await useBackend(backend)
      // 70,000 columns make blocks of 8 rows; integers keep float32 sums exact in any order.
      for (const [rows, cols] of [
        [5, 3],
        [19, 70_000],
      ] as const) {
        const w = integers(rows, cols, 1)
        const x = integers(cols, 4, 2)
        const p = integers(3, rows, 3)
        const before = tf.memory().numTensors
        const [wx, pw] = tf.tidy(() => [
          timesMatrix(w, tf.tensor2d(x.data, [cols, 4])).dataSync(),
          matrixTimes(tf.tensor2d(p.data, [3, rows]), w).dataSync(),
        ])
        t.equal(tf.memory().numTensors, before, 'no tensor is left behind')
        t.same([...wx], product(w.data, x.data, rows, cols, 4))
        t.same([...pw], product(p.data, w.data, 3, rows, cols))
      }
    },
  )
}

t.test(
  'a matrix is seen block by block: taller and equal blocks where memory is shared',
  async t => {
    const heights = (rows: number, cols: number) => {
      const seen: number[] = []
      eachRowBlock(allocateMatrix(rows, cols), block => seen.push(block.shape[0]))
      return seen
    }
    await useBackend('wasm')
    t.same(heights(20, 70_000), [8, 8, 4])
    await useBackend('cpu')
    t.same(heights(20, 70_000), [20])
    t.same(heights(1100, 3000), [368, 368, 364])
  },
)

t.test('writeMatrix copies a tensor and refuses another shape', async t => {
  await useBackend('cpu')
  const w = allocateMatrix(2, 2)
  tf.tidy(() => writeMatrix(w, tf.tensor2d([1, 2, 3, 4], [2, 2])))
  t.same([...w.data], [1, 2, 3, 4])
  const wrong = tf.tensor2d([1, 2], [1, 2])
  t.throws(() => writeMatrix(w, wrong), {
    code: 'SHAPE',
    message: /expected shape \[2, 2\], got \[1, 2\]/,
  })
  wrong.dispose()
})

t.test('an unknown backend is refused by name, with the known ones', async t => {
  await t.rejects(useBackend('gpu3000'), { code: 'BACKEND', message: /gpu3000.*wasm/ })
})

t.test(
  'auto takes the most preferred backend that loads and says why it passed over the others',
  async t => {
    registerBackend({
      name: 'broken',
      description: 'a backend that never loads',
      needs: 'a machine that does not exist',
      lives: 'thread',
      sharesMemory: false,
      preference: 1,
      async load() {
        throw new SaddleError('BACKEND', 'no such machine')
      },
    })
    const loads = (name: string) =>
      useBackend(name).then(
        () => true,
        () => false,
      )
    const fastest = (await loads('cuda')) ? 'cuda' : (await loads('blas')) ? 'blas' : 'wasm'
    const { backend, passedOver } = await useBackend('auto')
    t.equal(backend.name, fastest)
    t.match(passedOver, [{ name: 'broken', reason: /no such machine.*needs a machine/ }])
  },
)
