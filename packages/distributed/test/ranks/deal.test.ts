import { existsSync, statSync, utimesSync } from 'node:fs'
import { SaddleError } from '@saddle/core'
import fc from 'fast-check'
import t from 'tap'
import { apportion, dealRounds } from '../../dist/ranks/deal.js'
import { Dealing, shareOfRows } from '../../dist/ranks/dealing.js'
import { requireEqualStanding } from '../../dist/ranks/guard.js'
import { alone } from '../../dist/ranks/ranks.js'
import { travelsOf } from '../../dist/ranks/travel.js'
import { withRunFolder } from '../../dist/run/lock.js'
import { ranksInProcess } from '../fixtures/in-process.js'

const weights = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 })

t.test('parts add up to the whole and are within one of their exact share', async () => {
  fc.assert(
    fc.property(fc.nat(500), weights, (total, shares) => {
      const parts = apportion(total, shares)
      const sum = shares.reduce((a, b) => a + b, 0)
      return (
        parts.reduce((a, b) => a + b, 0) === total &&
        parts.every((part, i) => Math.abs(part - (total * shares[i]!) / sum) < 1)
      )
    }),
  )
})

t.test(
  'every shard is dealt once, in order, and a full round gives each rank its share',
  async () => {
    fc.assert(
      fc.property(fc.nat(300), weights, (count, shares) => {
        const rounds = dealRounds(count, shares)
        const dealt = rounds
          .flat()
          .flatMap(({ start, stop }) => Array.from({ length: stop - start }, (_, i) => start + i))
        const full = rounds.slice(0, -1)
        return (
          dealt.length === count &&
          dealt.every((shard, i) => shard === i) &&
          rounds.every(round => round.length === shares.length) &&
          full.every(round => round.every((run, rank) => run.stop - run.start === shares[rank]))
        )
      }),
    )
  },
)

t.test('row blocks of ranks cover a matrix, also one with fewer rows than ranks', async () => {
  fc.assert(
    fc.property(fc.nat(100), fc.integer({ min: 1, max: 9 }), (rows, size) => {
      const blocks = Array.from({ length: size }, (_, rank) => shareOfRows(rows, rank, size))
      return (
        blocks[0]!.start === 0 &&
        blocks.at(-1)!.stop === rows &&
        blocks.every(({ start }, i) => i === 0 || start === blocks[i - 1]!.stop)
      )
    }),
  )
})

t.test('bytes sent are those of the formulas, by which the all-reduce is taken or not', async t => {
  const [n, rows, cols, ranks] = [96, 512, 256, 4]
  const form = {
    name: 'w',
    rows,
    cols,
    factorBytes: 4 * n * (rows + cols),
    denseBytes: 4 * rows * cols,
  }
  const travel = (kind: 'factors' | 'dense', shards: number, sums: 'ordered' | 'fewest') =>
    travelsOf([{ ...form, form: kind }], { ranks, shards, sums })[0]!
  t.match(travel('factors', 8, 'ordered'), { means: 'gather', bytes: 4 * n * (rows + cols) * 0.75 })
  t.match(travel('dense', 8, 'ordered'), { means: 'order', bytes: 4 * rows * cols * 3 * 0.75 })
  t.match(travel('dense', 8, 'fewest'), { means: 'reduce', bytes: 4 * rows * cols * 2 * 0.75 })
  t.match(travel('dense', 4, 'fewest'), { means: 'order' }, 'as many shards as ranks: no dearer')
})

t.test('measured shares follow the speeds of three steps, the first left out', async t => {
  const [ranks] = ranksInProcess(2)
  const options = { ranks: ranks!, workers: [2, 2], travels: [], compared: false }
  const measured = new Dealing({ ...options, deal: 'measured' })
  const even = new Dealing({ ...options, deal: 'even' })
  for (const dealing of [measured, even]) {
    dealing.record({ attack: [100, 1], wait: [0, 0] }, [10, 10])
    for (let step = 0; step < 3; step++) {
      t.same(dealing.shares, [2, 2])
      dealing.record({ attack: [1, 3], wait: [0, 0] }, [10, 10])
    }
  }
  t.same(measured.shares, [6, 2], 'three times as fast')
  t.same(even.shares, [2, 2])
  t.equal(measured.staging, 16, 'room for two rounds of the largest share, 8')
})

t.test('an error on one rank is that of all, under the name of the rank', async t => {
  const ranks = ranksInProcess(3)
  const all = await Promise.allSettled(
    ranks.map(r =>
      r.together(() => {
        if (r.rank > 0) throw new SaddleError('DISK', `full on ${r.rank}`, { rank: r.rank })
      }),
    ),
  )
  const errors = all.map(o => (o as PromiseRejectedResult).reason as SaddleError)
  t.match(errors[1], { code: 'DISK', message: 'full on 1', fields: { rank: 1 } })
  for (const other of [0, 2])
    t.match(errors[other], { code: 'DISK', message: /^rank 1 of 3 on \S+: full on 1$/ })
  const stops = await Promise.all(ranks.map(r => r.agree({ stop: r.rank === 2 })))
  t.same(stops, [true, true, true], 'one asks to stop')
  const values = await Promise.all(ranks.map(r => r.fromFirst(() => ({ rank: r.rank }))))
  t.same(values, [{ rank: 0 }, { rank: 0 }, { rank: 0 }])
  const texts = await Promise.all(ranks.map(r => r.gatherTexts('é'.repeat(r.rank))))
  for (const text of texts) t.same(text, ['', 'é', 'éé'])
})

t.test('what ranks have otherwise is told by rank', async t => {
  const ranks = ranksInProcess(3)
  const all = await Promise.allSettled(
    ranks.map(r => requireEqualStanding(r, { Saddle: '1', 'Node.js': r.rank === 1 ? 'b' : 'a' })),
  )
  for (const outcome of all)
    t.match((outcome as PromiseRejectedResult).reason, {
      code: 'CONFIG',
      message: /Node\.js: a on rank 0 \(.*\), rank 2 \(.*\); b on rank 1 \(.*\)\. Give/,
    })
})

t.test('a rank that does not see the run folder of rank 0 says so', async t => {
  const dir = t.testdir({ shared: {}, local: {} })
  const ranks = ranksInProcess(2)
  const all = await Promise.allSettled(
    ranks.map(r =>
      withRunFolder(`${dir}/${r.isFirst ? 'shared' : 'local'}`, async () => {}, r, 200),
    ),
  )
  const [first, second] = all.map(o => (o as PromiseRejectedResult).reason as SaddleError)
  t.match(second, { code: 'CONFIG', message: /does not see the run folder .*local.*--out/ })
  t.match(first, { code: 'CONFIG', message: /^rank 1 of 2 on \S+: / })
  t.notOk(existsSync(`${dir}/shared/lock`), 'the lock is given back')
})

t.test('the lock of a run shows other machines that its process is alive', async t => {
  const dir = t.testdir()
  const lock = `${dir}/lock`
  const hourAgo = new Date(Date.now() - 3_600_000)
  const changed = () => statSync(lock).mtimeMs
  await withRunFolder(
    dir,
    async () => {
      utimesSync(lock, hourAgo, hourAgo)
      for (let tries = 0; tries < 3000 && changed() < Date.now() - 60_000; tries++)
        await new Promise(done => setTimeout(done, 10))
      t.ok(changed() > Date.now() - 60_000)
    },
    alone(),
    undefined,
    20,
  )
  t.notOk(existsSync(lock), 'and it goes with it')
})
