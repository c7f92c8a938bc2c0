import { allocateMatrix, type Parameters } from '@saddle/core'
import fc from 'fast-check'
import t from 'tap'
import { batchAt } from '../../dist/coordinator/batches.js'
import { claimSlot, createSlots, freeSlots } from '../../dist/devices/slots.js'
import { shardsOf } from '../../dist/replica/shards.js'
import { createWorkspace } from '../../dist/replica/workspace.js'

t.test('a full batch is every example in data order, at every step', async t => {
  t.same([...batchAt(0, 4, 'full', 1)], [0, 1, 2, 3])
  t.same([...batchAt(9, 4, 'full', 1)], [0, 1, 2, 3])
  t.same([...batchAt(3, 4, 10, 1)], [0, 1, 2, 3], 'a batch larger than the data is the full batch')
})

t.test(
  'an epoch of mini-batches shows every example once, and the next epoch in another order',
  async t => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), (count, seed) => {
        const batch = 1 + (seed % count)
        const perEpoch = Math.ceil(count / batch)
        const epoch = (e: number) =>
          Array.from({ length: perEpoch }, (_, i) => [
            ...batchAt(e * perEpoch + i, count, batch, seed),
          ]).flat()
        const everyone = Array.from({ length: count }, (_, i) => i)
        t.same(
          [...epoch(0)].sort((a, b) => a - b),
          everyone,
        )
        t.same(
          [...epoch(1)].sort((a, b) => a - b),
          everyone,
        )
      }),
      { numRuns: 30 },
    )
    const order = (step: number) => batchAt(step, 60, 59, 5).join()
    t.not(order(0), order(2))
    t.equal(order(2), order(2))
  },
)

t.test('shards cover the batch in order; only the last is short', async t => {
  t.same(shardsOf(10, 4), [
    { start: 0, stop: 4 },
    { start: 4, stop: 8 },
    { start: 8, stop: 10 },
  ])
})

t.test(
  'a slot belongs to one thread until it is freed; a thread that finds none gives up',
  async t => {
    const slots = createSlots(2)
    t.equal(claimSlot(slots, 71), 0)
    t.equal(claimSlot(slots, 72), 1)
    t.equal(claimSlot(slots, 73, 30), -1)
    freeSlots(slots, 71)
    t.equal(claimSlot(slots, 73, 30), 0)
    freeSlots(slots, 71)
    t.equal(slots[0], 73, 'a thread that is gone frees only what it held')
  },
)

/** Parameters with trained matrices of the given shapes. */
function parametersOf(shapes: [rows: number, cols: number][]): Parameters {
  return {
    trained: shapes.map(([rows, cols], i) => {
      const matrix = allocateMatrix(rows, cols)
      return { name: `w${i}`, weights: matrix, initial: matrix, displacement: matrix }
    }),
    frozen: {},
  }
}

t.test('the form with fewer bytes is taken, whatever the number of workers', async t => {
  const parameters = parametersOf([
    [100, 100],
    [100, 3],
  ])
  for (const inFlight of [2, 9]) {
    const options = { examples: 40, batch: 40, shard: 8, windowBytes: 1e9, inFlight }
    const { matrices, windowExamples } = createWorkspace(parameters, options)
    t.same(
      matrices.map(m => [m.form, m.factorBytes, m.denseBytes]),
      [
        ['factors', 4 * 40 * 200, 4 * 10_000],
        ['dense', 4 * 40 * 103, 4 * 300],
      ],
    )
    t.equal(windowExamples, 40)
    t.equal(matrices[0]!.sum, null)
    t.equal(matrices[1]!.staging.length, inFlight)
  }
})

t.test('factors beyond the window are held in whole shards, at least one', async t => {
  const parameters = parametersOf([[100, 100]])
  const plan = (windowBytes: number) =>
    createWorkspace(parameters, { examples: 40, batch: 40, shard: 8, windowBytes, inFlight: 2 })
  t.equal(plan(4 * 200 * 20).windowExamples, 16)
  t.equal(plan(1).windowExamples, 8)
  t.equal(plan(8 * 100 * 3).chunk, 3)
  t.equal(plan(1).chunk, 1)
  t.equal(plan(1).matrices[0]!.sum!.length, 10_000)
})
