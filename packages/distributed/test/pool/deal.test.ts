import fc from 'fast-check'
import t from 'tap'
import { type Deal, deal, type Hand } from '../../dist/pool/deal.js'
import { Dealer } from '../../dist/pool/dealer.js'
import type { Task } from '../../dist/pool/messages.js'
import { Paces, unitsOf } from '../../dist/pool/paces.js'

type Policy = (hands: readonly Hand[], sizes: readonly number[], later: number) => Deal[]

/** Every task to whoever is free, in order. */
const greedy: Policy = (hands, sizes) => {
  const free = hands.flatMap(({ busy }, hand) => (busy > 0 ? [] : [hand]))
  return sizes.slice(0, free.length).map((_, task) => ({ hand: free[task]!, task }))
}

/**
 * Carries a batch out: tasks take size · pace, and workers are dealt to whenever one is free. At most `visible` tasks
 * are known at a time.
 */
function simulate(
  policy: Policy,
  paces: readonly number[],
  sizes: readonly number[],
  visible = 1e9,
) {
  const busyUntil = paces.map(() => 0)
  let left = sizes.map((size, index) => ({ size, index }))
  const done: { index: number; hand: number }[] = []
  let now = 0
  while (left.length > 0) {
    const known = left.slice(0, visible)
    const hands = paces.map((pace, w) => ({ busy: Math.max(0, busyUntil[w]! - now), pace }))
    const deals = policy(
      hands,
      known.map(({ size }) => size),
      left.length - known.length,
    )
    for (const { hand, task } of deals) {
      if (hands[hand]!.busy > 0) throw new Error('a busy worker was dealt a task')
      busyUntil[hand] = now + known[task]!.size * paces[hand]!
      done.push({ index: known[task]!.index, hand })
    }
    const dealt = new Set(deals.map(({ task }) => known[task]!.index))
    if (dealt.size < deals.length) throw new Error('a task was dealt twice')
    left = left.filter(({ index }) => !dealt.has(index))
    const ends = busyUntil.filter(end => end > now)
    if (ends.length === 0 && left.length > 0) throw new Error('nobody is at work')
    now = Math.min(...ends, Number.POSITIVE_INFINITY)
  }
  return { done, makespan: Math.max(...busyUntil) }
}

const pacesArbitrary = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 })
const countArbitrary = fc.integer({ min: 1, max: 60 })

/** The least time by which the workers can do `count` tasks: the count-th of all ends there can be. */
function best(paces: readonly number[], count: number, size: number): number {
  const ends = paces.flatMap(pace => Array.from({ length: count }, (_, i) => (i + 1) * size * pace))
  return ends.sort((a, b) => a - b)[count - 1]!
}

t.test('tasks of one size end as soon as they can, each dealt once', async () => {
  fc.assert(
    fc.property(pacesArbitrary, countArbitrary, (paces, count) => {
      const { done, makespan } = simulate(deal, paces, new Array(count).fill(2))
      const once = new Set(done.map(({ index }) => index)).size === count && done.length === count
      return once && makespan === best(paces, count, 2)
    }),
  )
})

t.test('a smaller last task costs at most its time on the fastest, against greedy', async () => {
  fc.assert(
    fc.property(
      pacesArbitrary,
      countArbitrary,
      fc.integer({ min: 1, max: 8 }),
      (paces, count, rest) => {
        const sizes = [...new Array(count).fill(8), rest]
        const { done, makespan } = simulate(deal, paces, sizes)
        const bound = simulate(greedy, paces, sizes).makespan + rest * Math.min(...paces)
        return new Set(done.map(({ index }) => index)).size === count + 1 && makespan <= bound
      },
    ),
  )
})

t.test('with few tasks known at a time, all are done, and slow workers still help', async t => {
  fc.assert(
    fc.property(
      pacesArbitrary,
      countArbitrary,
      fc.integer({ min: 1, max: 9 }),
      (paces, count, visible) => {
        const { done } = simulate(deal, paces, new Array(count).fill(1), visible)
        return new Set(done.map(({ index }) => index)).size === count && done.length === count
      },
    ),
  )
  const { done } = simulate(deal, [1, 5], new Array(24).fill(1), 2)
  t.ok(done.filter(({ hand }) => hand === 1).length >= 3)
})

t.test('equal workers never wait: the deals of greedy', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(0, 0.5, 3), { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 8 }),
      fc.nat(3),
      (busy, sizes, later) => {
        const hands = busy.map(busy => ({ busy, pace: 1 }))
        const key = (deals: Deal[]) => deals.map(({ task }) => task).sort((a, b) => a - b)
        const sorted = [...sizes].sort((a, b) => b - a)
        return `${key(deal(hands, sorted, later))}` === `${key(greedy(hands, sorted, later))}`
      },
    ),
  )
})

t.test('a slow worker leaves the last task to a fast one that is nearly free', async t => {
  const hands = [
    { busy: 0.5, pace: 1 },
    { busy: 0, pace: 4 },
  ]
  t.same(deal(hands, [1]), [])
  t.same(deal(hands, [1], 9), [{ hand: 1, task: 0 }], 'but not if many are to come')
  // Ends of the fast one: 1.5, 2.5, 3.5; the slow one's 4 is before its 4.5, so the fourth is its.
  t.same(deal(hands, [1, 1, 1, 1]), [{ hand: 1, task: 3 }])
})

const attack = (start: number, stop: number): Task =>
  ({ kind: 'attack', start, stop }) as unknown as Task

t.test(
  'paces: the first task of a thread is not measured, unknown devices are taken for fast',
  async t => {
    const paces = new Paces()
    t.equal(paces.of('blas', attack(0, 8)), 1)
    paces.measured(1, 'blas', attack(0, 8), 80)
    t.equal(paces.of('blas', attack(0, 8)), 1, 'the first loads and compiles')
    paces.measured(1, 'blas', attack(0, 8), 16)
    paces.measured(2, 'cpu', attack(0, 8), 99)
    paces.measured(2, 'cpu', attack(0, 8), 32)
    t.same(
      ['blas', 'cpu', 'wasm', null].map(d => paces.of(d, attack(0, 1))),
      [2, 4, 2, 2],
    )
    for (let i = 0; i < 80; i++) paces.passedOver('cpu', attack(0, 8))
    t.ok(paces.of('cpu', attack(0, 1)) < 2, 'who is passed over for long is tried again')
    paces.measured(2, 'cpu', attack(0, 8), 32)
    t.ok(paces.of('cpu', attack(0, 1)) > 2)
  },
)

t.test('a dealer waits for a fast worker, but not for one that does not come back', async t => {
  const hung: (() => void)[] = []
  let hangs = false
  const begun: number[] = []
  const dealer = new Dealer({
    size: 2,
    deviceOf: thread => (thread === 1 ? 'fast' : 'slow'),
    start: (thread, task) => {
      begun.push(thread)
      if (thread === 1 && hangs) return new Promise<null>(resolve => hung.push(() => resolve(null)))
      const ms = (thread === 1 ? 2 : 60) * unitsOf(task)
      return new Promise(resolve => setTimeout(resolve, ms, null))
    },
  })
  dealer.join(1)
  dealer.join(2)
  const all = (count: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => dealer.run(attack(i, i + 1))))
  // Two tasks of each, the first of which is not measured.
  await all(60)
  t.same(new Set(begun), new Set([1, 2]))
  begun.length = 0
  await all(3)
  t.same(begun, [1, 1, 1])
  hangs = true
  begun.length = 0
  const [, second] = [dealer.run(attack(0, 1)), dealer.run(attack(1, 2))]
  await second
  t.same(begun, [1, 2], 'the slow one did the second in the end')
  hung[0]!()
})

t.test('a lost task rejects, its thread leaves, and what waits goes to the others', async t => {
  const begun: number[] = []
  const dealer = new Dealer({
    size: 2,
    deviceOf: () => 'blas',
    start: (thread, task) => {
      begun.push(thread)
      return thread === 1
        ? Promise.reject(new Error('lost'))
        : Promise.resolve((task as { start: number }).start)
    },
  })
  dealer.join(1)
  dealer.join(2)
  const outcomes = Promise.allSettled([0, 1].map(i => dealer.run(attack(i, i + 1))))
  t.same((await outcomes).map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  dealer.leave(1)
  t.equal(await dealer.run(attack(5, 6)).catch(() => 'lost'), 5)
  const waits = [1, 2, 3, 4, 5].map(i => dealer.run(attack(i, i + 1)).catch(e => e.message))
  dealer.close(new Error('closed'))
  t.same(await Promise.all(waits), new Array(5).fill('closed'))
})
