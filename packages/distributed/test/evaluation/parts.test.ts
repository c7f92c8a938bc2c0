import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AttackSpec } from '@saddle/attacks'
import {
  parseAttacks,
  parseCriterion,
  parseExamples,
  parseRadii,
  readAttacks,
} from '@saddle/distributed'
import fc from 'fast-check'
import t from 'tap'
import {
  blockSize,
  blocksFor,
  cleanBlocks,
  openRanges,
  searchBlocks,
} from '../../dist/evaluation/blocks.js'
import { joinClean, joinSearches } from '../../dist/evaluation/collected.js'
import { labelsOf } from '../../dist/evaluation/labels.js'
import { chooseExamples } from '../../dist/evaluation/numbers.js'
import { emptyReply } from '../../dist/evaluation/reply.js'
import { quantiles } from '../../dist/evaluation/statistics.js'
import { evaluationWarnings } from '../../dist/evaluation/warnings.js'

t.test('attacks are read with their options, and named as they would be typed', async t => {
  const attacks = parseAttacks('fgsm, pgd:steps=40,restarts=2,start=clean-first, pgd')
  t.match(attacks, [
    { kind: 'fgsm' },
    { kind: 'pgd', steps: 40, stepSize: 0.25, restarts: 2, start: 'clean-first' },
    { kind: 'pgd', steps: 10 },
  ])
  t.same(labelsOf(attacks), ['fgsm', 'pgd:steps=40,restarts=2,start=clean-first', 'pgd'])
  t.same(labelsOf(parseAttacks('pgd,fgsm,pgd:steps=10')), ['pgd (1)', 'fgsm', 'pgd (2)'])
  t.same(parseAttacks(labelsOf(attacks).join(',')), attacks)
  const wrong = [
    ['pdg', /Unknown attack "pdg": did you mean pgd\?/],
    ['pgd:stpes=4', /stpes.*steps, or another known key of kind pgd/s],
    ['pgd:steps=0', /attack\.steps: expected a whole number/],
    ['pgd:steps', /"pgd:steps" is neither an attack nor an option/],
    ['steps=4', /is neither an attack nor an option/],
    ['', /is neither an attack/],
    ['pgd:start=nowhere', /attack\.start/],
  ] as const
  for (const [text, message] of wrong)
    t.throws(() => parseAttacks(text), { code: 'CONFIG', message }, text)
})

t.test('attacks are read from a file', async t => {
  const file = join(t.testdir(), 'attacks.yaml')
  const read = (text: string) => {
    writeFileSync(file, text)
    return readAttacks(file)
  }
  t.match(await read('- fgsm\n- { kind: pgd, steps: 40 }\n'), [
    { kind: 'fgsm' },
    { kind: 'pgd', steps: 40 },
  ])
  t.match(await read('[{ "kind": "uniform", "draws": 3 }]'), [{ kind: 'uniform', draws: 3 }])
  await t.rejects(read('fgsm'), { code: 'CONFIG', message: /is no list/ })
  await t.rejects(read('- [1'), { code: 'CONFIG', message: /attacks\.yaml/ })
  await t.rejects(read('- 3'), { code: 'CONFIG', message: /Unknown attack/ })
  await t.rejects(readAttacks(join(t.testdir(), 'nowhere.yaml')), {
    code: 'CONFIG',
    message: /there is no such file/,
  })
})

t.test('radii are numbers or fractions, and come in order', async t => {
  t.same(parseRadii('0.2, 0.1,8/255'), [8 / 255, 0.1, 0.2])
  t.same(parseRadii('0'), [0])
  for (const text of ['', '-0.1', 'x', '0.1,0.1', '1/0', '1/2/3', '0.1,,0.2', 'Infinity', 'NaN'])
    t.throws(() => parseRadii(text), { code: 'CONFIG' }, text)
})

t.test('examples are the first, a range or a list', async t => {
  const chosen = (text: string) => [...chooseExamples(parseExamples(text), 10)]
  t.same(chosen('3'), [0, 1, 2])
  t.same(chosen('7:'), [7, 8, 9])
  t.same(chosen(':2'), [0, 1])
  t.same(chosen('4:6'), [4, 5])
  t.same(chosen('9,1,4'), [1, 4, 9])
  t.same(chosen('3,'), [3])
  t.same([...chooseExamples(undefined, 3)], [0, 1, 2])
  for (const text of ['', 'x', '-1', '1:2:3', '1.5', '1,x'])
    t.throws(() => parseExamples(text), { code: 'CONFIG' }, text)
  for (const text of ['11', '0', '12:', '3,10', '3,3', '5:5'])
    t.throws(() => chosen(text), { code: 'CONFIG', message: /there are 10/ }, text)
})

t.test('criteria are read by name', async t => {
  t.same(parseCriterion('misclassification'), { kind: 'misclassification' })
  t.same(parseCriterion('targeted:next'), { kind: 'targeted', target: 'next' })
  t.same(parseCriterion('targeted:-1'), { kind: 'targeted', target: -1 })
  t.same(parseCriterion('loss-above:0.5'), { kind: 'loss-above', threshold: 0.5 })
  for (const text of ['targeted', 'targeted:x', 'loss-above', 'loss-above:', 'untargeted'])
    t.throws(() => parseCriterion(text), { code: 'CONFIG', message: /targeted:next/ }, text)
})

t.test('what is open is cut at blocks, and blocks put together are the whole again', async t => {
  t.same(
    openRanges(2100, 1024, block => block === 1 || block > 7),
    [
      { start: 0, stop: 240 },
      { start: 480, stop: 1440 },
      { start: 1440, stop: 1920 },
    ],
  )
  t.same(
    openRanges(300, 1000, () => false),
    [{ start: 0, stop: 300 }],
  )
  t.same(openRanges(300, 1, () => false).length, 2)
  for (let n = 1; n < 3000; n++) {
    const size = blockSize(n)
    t.ok(size % 8 === 0 && size >= 32 && size <= 256 && blocksFor(n) >= Math.min(2, n / 32), `${n}`)
  }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      (n, shard, radii, done) => {
        const searched = new Map()
        const cleaned = new Map()
        const ranges = [
          ...openRanges(n, shard, block => done[block]!),
          ...openRanges(n, shard, block => !done[block]),
        ]
        for (const { start, stop } of ranges) {
          const size = stop - start
          const reply = emptyReply(size, radii, 2)
          reply.success.forEach((_, k) => {
            reply.success[k] = 1000 * Math.floor(k / size) + start + (k % size)
          })
          reply.norms.forEach((_, i) => {
            reply.norms[i] = start + i
          })
          reply.points.forEach((_, k) => {
            reply.points[k] = k
          })
          for (const [block, part] of searchBlocks(
            start,
            { ...reply, seconds: size },
            blockSize(n),
          )) {
            searched.set(block, part)
            // The second coordinate of the block's first example at the last radius.
            const [first, last] = [block * blockSize(n) - start, radii - 1]
            const points = part.points.length / radii
            t.equal(part.points[last * points + 1], 2 * (last * size + first) + 1)
          }
          const zeros = () => new Int32Array(size)
          const clean = {
            losses: reply.norms,
            predictions: zeros(),
            leastLikely: zeros(),
            correct: zeros(),
            wild: zeros(),
            flat: zeros(),
            probabilities: zeros(),
            random: zeros(),
          }
          for (const [block, part] of cleanBlocks(start, clean, blockSize(n)))
            cleaned.set(block, part)
        }
        t.equal(searched.size, blocksFor(n))
        const whole = joinSearches(searched, n, radii)
        const counted = Array.from({ length: n }, (_, i) => i)
        t.same([...whole.norms], counted)
        t.same([...joinClean(cleaned, n).losses], counted)
        whole.radii.forEach((at, r) => {
          t.same(
            [...at.success],
            counted.map(i => 1000 * r + i),
          )
        })
        t.ok(Math.abs(whole.seconds - n) < 1e-9)
      },
    ),
    { numRuns: 30 },
  )
})

t.test("quantiles are NumPy's, and leave out what is no number", async t => {
  // numpy.quantile([1, 2, 4, 8, 16, 32], [0, .25, .5, .75, 1])
  t.same(quantiles([32, 1, 16, Number.NaN, 2, 8, 4]), [1, 2.5, 6, 14, 32])
  t.same(quantiles([3]), [3, 3, 3, 3, 3])
  t.equal(quantiles([Number.NaN]), null)
})

t.test('every reason for doubt has its warning, and sound figures have none', async t => {
  const clean = (change: object) => ({
    losses: Float32Array.of(0.1, 0.2),
    predictions: Int32Array.of(0, 1),
    leastLikely: Int32Array.of(1, 0),
    correct: Int32Array.of(1, 1),
    wild: Int32Array.of(0, 0),
    flat: Int32Array.of(0, 0),
    probabilities: Int32Array.of(1, 0),
    random: Int32Array.of(0, 0),
    ...change,
  })
  const report = (attack: AttackSpec, robustAccuracy: number, meanGradientSteps: number) => ({
    name: attack.kind,
    attack,
    aim: 'fixed-radius' as const,
    norms: null,
    seconds: 1,
    radii: [
      {
        radius: 0.1,
        robustAccuracy,
        meanLoss: 1,
        distance: null,
        meanQueries: 1,
        maxQueries: 1,
        meanGradientSteps,
        fosc: null,
      },
    ],
  })
  const warn = (
    text: string,
    { change = {}, outputs = 10, robust = [0.5, 0.5], largest = 1 } = {},
  ) => {
    const attacks = parseAttacks(text)
    const question = {
      job: {
        attacks,
        radii: [0.1],
        order: Int32Array.of(3, 8),
        criterion: parseCriterion('misclassification'),
      },
      subject: { outputs },
      compatibility: { compatible: largest > 0.1, largestRadius: largest, firstPair: [0, 1] },
    }
    const steps = (kind: string) => (['uniform', 'identity', 'square'].includes(kind) ? 0 : 10)
    const reports = attacks.map((attack, a) => report(attack, robust[a]!, steps(attack.kind)))
    return evaluationWarnings(question as never, clean(change), reports)
  }
  const codes = (...asked: Parameters<typeof warn>) => warn(...asked).map(({ code }) => code)
  t.same(codes('pgd'), [])
  const one = Int32Array.of(0, 1)
  t.same(codes('pgd', { change: { flat: one } }), ['zero-gradient'])
  t.same(codes('pgd', { change: { probabilities: Int32Array.of(1, 1) } }), ['probabilities'])
  t.same(codes('pgd', { change: { wild: one } }), ['not-finite'])
  t.same(codes('pgd', { change: { random: one } }), ['randomised'])
  t.match(warn('pgd:steps=3,stepSize=0.2'), [
    { code: 'short-travel', message: /pgd:steps=3,stepSize=0.2 travels 3 × 0.2 = 0.6 radii/ },
  ])
  t.same(codes('apgd:loss=dlr', { outputs: 2 }), ['few-classes'])
  t.same(codes('pgd,uniform', { robust: [0.5, 0.499] }), [])
  t.same(codes('pgd,uniform', { robust: [0.5, 0.4] }), ['masked-gradients'])
  t.same(codes('pgd,identity', { robust: [0.5, 0.4] }), [], 'clean errors are no attack')
  t.same(codes('fgsm'), ['one-attack'])
  t.match(warn('pgd', { largest: 0.05 }), [
    { code: 'incompatible', message: /examples 3 and 8/, fields: { largestRadius: 0.05 } },
  ])
})
