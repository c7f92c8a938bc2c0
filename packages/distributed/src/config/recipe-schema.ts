import { z } from 'zod'
import { attackKinds } from './attack-schema.js'

/** How a training meets its adversary: an attack at every step, a recipe of the literature, or a schedule of them. */

const positiveInt = z.int().positive()
const stepSize = (size: number) =>
  z.number().positive().default(size).describe('in units of the radius')
const steps = positiveInt.default(10).describe('gradient steps of a search')

/** Recipes; docs/recipes.md has their formulas, sources and costs. */
const recipeKinds = [
  z.strictObject({
    kind: z.literal('trades'),
    beta: z
      .number()
      .nonnegative()
      .default(1)
      .describe('β of ℓ(f(x), y) + β KL(p(x) ‖ p(x′)); 6 is usual beyond MNIST'),
    steps,
    stepSize: stepSize(0.25),
  }),
  z.strictObject({
    kind: z.literal('fosc-dynamic'),
    steps: positiveInt.default(10).describe('gradient steps of a search, at most'),
    stepSize: stepSize(0.25),
    start: z
      .enum(['clean', 'uniform', 'border'])
      .default('uniform')
      .describe('clean: at x; uniform, border: a random point inside B(x), on its border'),
    criterion: z
      .number()
      .nonnegative()
      .default(0.5)
      .describe(
        'c at step 0, in the units of the loss: an example stops at its first point with FOSC ≤ c',
      ),
    anneal: z
      .number()
      .positive()
      .max(1)
      .default(0.8)
      .describe('share of the steps over which c falls linearly to 0'),
  }),
  z.strictObject({
    kind: z.literal('free'),
    replays: positiveInt.default(8).describe('m, steps of descent on every mini-batch'),
    stepSize: stepSize(1),
  }),
  z.strictObject({
    kind: z.literal('yopo'),
    passes: positiveInt.default(5).describe('m, full passes, whose gradients in W are averaged'),
    inner: z
      .int()
      .nonnegative()
      .default(3)
      .describe('n, steps through the first layer after each of them but the last'),
    stepSize: stepSize(0.25),
  }),
] as const

const phaseKinds = [...attackKinds, ...recipeKinds] as const

export const trainingAttackSchema = z.discriminatedUnion('kind', [
  ...phaseKinds,
  z.strictObject({
    kind: z.literal('schedule'),
    phases: z
      .array(
        z.strictObject({
          from: z.int().nonnegative().describe('the step that it begins at'),
          attack: z.discriminatedUnion('kind', phaseKinds).describe('an attack or a recipe'),
        }),
      )
      .min(1)
      .describe('one after the other, each to the start of the next; the first from step 0'),
  }),
])

/** What `attack` of a configuration holds. */
export type TrainingAttack = z.output<typeof trainingAttackSchema>
/** The same without schedules: an attack, or a recipe. */
export type PhaseAttack = Exclude<TrainingAttack, { kind: 'schedule' }>
