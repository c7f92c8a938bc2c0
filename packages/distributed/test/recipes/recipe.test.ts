import { SaddleError } from '@saddle/core'
import { type Problem, parseConfig } from '@saddle/distributed'
import fc from 'fast-check'
import t from 'tap'
import type { TrainingAttack } from '../../dist/config/recipe-schema.js'
import { expectedCost } from '../../dist/recipes/cost.js'
import { needsOf, recipeFrom } from '../../dist/recipes/recipe.js'

const minimal = {
  data: { classes: [3, 8] },
  network: { width: 64 },
  perturbation: { kind: 'cap', radius: 0.1 },
  descent: { steps: 30 },
}
const attackOf = (attack: object): TrainingAttack =>
  parseConfig({
    ...minimal,
    attack,
    loss: JSON.stringify(attack).includes('trades') ? 'logistic' : 'huber:1',
  }).attack

const phaseKinds = [
  { kind: 'pgd', steps: 3 },
  { kind: 'r-fgsm' },
  { kind: 'trades', steps: 2 },
  { kind: 'fosc-dynamic', steps: 4 },
  { kind: 'free', replays: 3 },
  { kind: 'yopo', passes: 2, inner: 5 },
]

t.test('the criterion of fosc-dynamic falls linearly to 0 and stays there', async () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 3, noNaN: true }),
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      fc.integer({ min: 2, max: 200 }),
      (criterion, anneal, steps) => {
        const recipe = recipeFrom(attackOf({ kind: 'fosc-dynamic', criterion, anneal }), steps)
        return Array.from({ length: steps }, (_, t) => t).every(t => {
          const step = recipe.at(t)
          if (step.kind !== 'attack' || step.attack.kind !== 'stationary-pgd') return false
          const line = criterion - (criterion * t) / (anneal * steps)
          return Math.abs(step.attack.criterion - Math.max(line, 0)) < 1e-12
        })
      },
    ),
    { numRuns: 50 },
  )
})

t.test('free takes every mini-batch m times in a row', async t => {
  const recipe = recipeFrom(attackOf({ kind: 'free', replays: 3 }), 30)
  t.same(
    Array.from({ length: 8 }, (_, step) => recipe.batchOf(step)),
    [0, 0, 0, 1, 1, 1, 2, 2],
  )
})

t.test('a schedule is its phases one after the other, and leaves out no mini-batch', async t => {
  const schedules = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom(...phaseKinds)), {
      minLength: 1,
      maxLength: 5,
    })
    .map(parts => {
      let from = 0
      const phases = parts.map(([length, attack]) => {
        const phase = { from, attack }
        from += length
        return { phase, length }
      })
      return { phases, steps: from }
    })
  fc.assert(
    fc.property(schedules, ({ phases, steps }) => {
      const attack = parseConfig({
        ...minimal,
        loss: 'logistic',
        attack: { kind: 'schedule', phases: phases.map(({ phase }) => phase) },
        descent: { steps },
      }).attack
      const recipe = recipeFrom(attack, steps)
      const batches = Array.from({ length: steps }, (_, step) => recipe.batchOf(step))
      const gaps = batches.map((batch, i) => batch - (batches[i - 1] ?? -1))
      const same = phases.every(({ phase: { from, attack }, length }) => {
        const alone = recipeFrom(attackOf(attack), length)
        return Array.from({ length }, (_, i) => i).every(
          i =>
            JSON.stringify(recipe.at(from + i)) === JSON.stringify(alone.at(i)) &&
            recipe.batchOf(from + i) - recipe.batchOf(from) === alone.batchOf(i),
        )
      })
      const total = phases.reduce(
        (sum, { phase, length }) => sum + expectedCost(attackOf(phase.attack), length, 2).total,
        0,
      )
      // The first step of a phase takes a new mini-batch, also after a replay that was cut short.
      const starts = phases.every(({ phase: { from } }) => gaps[from] === 1)
      return (
        same &&
        starts &&
        gaps.every(gap => gap === 0 || gap === 1) &&
        expectedCost(attack, steps, 2).total === total
      )
    }),
    { numRuns: 60 },
  )
  t.pass()
})

t.test('what recipes cost and need', async t => {
  const cost = (attack: object, depth = 2) => expectedCost(attackOf(attack), 10, depth)
  t.same(cost({ kind: 'identity' }), { perStep: 1, total: 10 })
  t.same(cost({ kind: 'pgd', steps: 40 }), { perStep: 41, total: 410 })
  t.same(cost({ kind: 'r-fgsm' }), { perStep: 2, total: 20 })
  t.same(cost({ kind: 'trades', steps: 40 }), { perStep: 42, total: 420 })
  t.same(cost({ kind: 'fosc-dynamic', steps: 10 }), { perStep: 11, total: 110 })
  t.same(cost({ kind: 'free', replays: 8 }), { perStep: 1, total: 10 })
  t.same(cost({ kind: 'yopo', passes: 5, inner: 10 }), { perStep: 5, total: 50 })
  t.same(cost({ kind: 'yopo', passes: 5, inner: 10 }, 1).perStep, 5 + 4 * 9, 'one layer is all')
  t.same(needsOf(attackOf({ kind: 'trades' }), 2).points, 2)
  const schedule = {
    kind: 'schedule',
    phases: [
      { from: 0, attack: { kind: 'free' } },
      { from: 5, attack: { kind: 'yopo', passes: 4 } },
    ],
  }
  t.same(needsOf(attackOf(schedule), 2), {
    points: 4,
    carries: true,
    needsAllNeurons: true,
    passes: 4,
  })
})

/** Path and words of the only problem of a configuration. */
function refusal(changes: object): string {
  try {
    parseConfig({ ...minimal, ...changes })
  } catch (error) {
    if (!(error instanceof SaddleError) || error.code !== 'CONFIG') throw error
    return (error.fields.problems as Problem[])
      .map(({ path, expected, got }) => `${path}: ${expected}; ${got}`)
      .join('\n')
  }
  return 'accepted'
}

t.test('what a recipe cannot do is refused in words that say what it can', async t => {
  const free = { kind: 'free' }
  const phases = (...all: [from: number, attack: object][]) => ({
    attack: { kind: 'schedule', phases: all.map(([from, attack]) => ({ from, attack })) },
  })
  const cases: [changes: object, expected: RegExp][] = [
    [{ attack: { kind: 'trades' } }, /^loss: logistic for attack.kind: trades.*; huber:1$/],
    [
      { attack: { kind: 'trades' }, data: { labels: 'classes' }, loss: 'square' },
      /loss: cross-entropy for attack.kind: trades/,
    ],
    [
      { attack: free, compute: { split: 'neurons' } },
      /^compute.split: auto \| examples for attack.kind: free.*; neurons$/,
    ],
    [
      { attack: { kind: 'yopo' }, monitor: { comparator: 'runs/x' } },
      /^monitor.comparator: null for attack.kind: yopo.*; runs\/x$/,
    ],
    [{ attack: { ...free, replays: 0 } }, /^attack.replays: a whole number > 0; 0$/],
    [{ attack: { ...free, steps: 3 } }, /^attack.steps: .*known key of kind free.*replays/],
    [{ attack: { kind: 'fosc-dynamic', anneal: 2 } }, /^attack.anneal/],
    [{ attack: { kind: 'trade' } }, /^attack.kind: .*trades.*schedule; "trade"$/],
    [phases([3, free]), /^attack.phases\[0\].from: 0, so that every step has an attack; 3$/],
    [phases([0, free], [9, free], [9, free]), /^attack.phases\[2\].from: .*> 9; 9$/],
    [phases([0, free], [30, free]), /^attack.phases\[1\].from: .*< descent.steps = 30; 30$/],
    [phases(), /^attack.phases/],
    [
      { ...phases([0, { kind: 'fgsm' }], [4, { kind: 'trades' }]) },
      /^loss: logistic for attack.phases\[1\].attack.kind: trades/,
    ],
    [phases([0, { kind: 'schedule', phases: [] }]), /^attack.phases.0.attack/],
    [{ evaluation: { attack: free } }, /^evaluation.attack/],
  ]
  for (const [changes, expected] of cases) t.match(refusal(changes), expected)
  t.equal(refusal({ attack: { kind: 'trades' }, loss: 'logistic' }), 'accepted')
})
