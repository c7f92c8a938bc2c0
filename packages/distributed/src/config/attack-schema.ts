import { z } from 'zod'
import { searchAttacks } from './search-schema.js'

/** Attacks as a configuration names them: what `AttackSpec` of @saddle/attacks holds, with defaults and words. */

const positiveInt = z.int().positive()
const positive = z.number().positive()

const fosc = z
  .boolean()
  .exactOptional()
  .describe('report the first-order stationarity gap of every point')
const loss = z
  .enum(['model', 'cross-entropy', 'margin', 'dlr'])
  .exactOptional()
  .describe(
    'what is ascended: model, the loss that trains (default), or a loss made for attacking; dlr: difference of logits ratio',
  )
const until = z
  .enum(['end', 'success'])
  .exactOptional()
  .describe(
    'end (default): all steps; success (default of saddle evaluate): an example is done at its first adversarial point',
  )
const steps = (count: number) => positiveInt.default(count).describe('gradient steps of a search')
const stepSize = (size: number) => positive.default(size).describe('in units of the radius')
const restarts = positiveInt
  .default(1)
  .describe('searches; the point of largest loss is kept, or the first success')
const apgd = {
  steps: steps(100),
  restarts,
  rho: positive
    .max(1)
    .default(0.75)
    .describe('the step is halved where the loss rose in no more than this share of the steps'),
  until: z
    .enum(['end', 'success'])
    .default('success')
    .describe('success: an example is done at its first adversarial point; end: all steps'),
  fosc,
}

/** Attacks that gradients lead, at a fixed radius. */
const climbing = [
  z.strictObject({ kind: z.literal('identity'), fosc }),
  z.strictObject({
    kind: z.literal('uniform'),
    draws: positiveInt.default(1).describe('random points; the one of largest loss is kept'),
    fosc,
  }),
  z.strictObject({ kind: z.literal('fgsm'), loss, fosc }),
  z.strictObject({ kind: z.literal('r-fgsm'), stepSize: stepSize(1.25), restarts, loss, fosc }),
  z.strictObject({
    kind: z.literal('bim'),
    steps: steps(10),
    stepSize: stepSize(0.2),
    until,
    loss,
    fosc,
  }),
  z.strictObject({
    kind: z.literal('pgd'),
    steps: steps(10),
    stepSize: stepSize(0.25),
    restarts,
    start: z
      .enum(['clean', 'uniform', 'border', 'clean-first'])
      .default('uniform')
      .describe(
        'clean: at x; uniform, border: a random point inside B(x), on its border; clean-first: x, then uniform',
      ),
    objective: z
      .enum(['loss', 'two-sided'])
      .default('loss')
      .describe('two-sided ascends +f and −f and keeps the larger loss (scalar outputs)'),
    keepBest: z.boolean().default(true).describe('keep the iterate with the largest loss'),
    until,
    loss,
    fosc,
  }),
  z.strictObject({
    kind: z.literal('mim'),
    steps: steps(10),
    stepSize: stepSize(0.1),
    momentum: z.number().nonnegative().default(1).describe('μ, the share of the former direction'),
    until,
    loss,
    fosc,
  }),
  z.strictObject({ kind: z.literal('frank-wolfe'), steps: steps(20), until, loss, fosc }),
  z.strictObject({
    kind: z.literal('apgd'),
    loss: z
      .enum(['model', 'cross-entropy', 'margin', 'dlr'])
      .default('cross-entropy')
      .describe('what is ascended: cross-entropy is APGD-CE, dlr APGD-DLR'),
    ...apgd,
  }),
  z.strictObject({
    kind: z.literal('apgd-targeted'),
    targets: positiveInt.default(9).describe('most likely wrong classes, tried in turn'),
    loss: z
      .enum(['model', 'cross-entropy', 'margin', 'dlr'])
      .default('dlr')
      .describe('what is ascended towards each of them'),
    ...apgd,
  }),
] as const

const single = [...climbing, ...searchAttacks] as const
const singleAttack = z.discriminatedUnion('kind', single)

/** Every kind of attack; an ensemble holds attacks that are none themselves. */
export const attackKinds = [
  ...single,
  z.strictObject({
    kind: z.literal('bisection'),
    attack: z
      .discriminatedUnion('kind', climbing)
      .describe('the attack at a fixed radius that is bisected'),
    steps: positiveInt
      .default(10)
      .describe('halvings of the interval that the smallest radius is in'),
    doublings: z
      .int()
      .nonnegative()
      .default(4)
      .describe('doublings of the radius, at most, until the attack succeeds'),
    fosc,
  }),
  z.strictObject({
    kind: z.literal('autoattack'),
    version: z
      .enum(['standard', 'plus', 'rand'])
      .default('standard')
      .describe(
        'rand is for random models; l2 and linf balls, with the box or without; standard for l1, too',
      ),
    fosc,
  }),
  z.strictObject({
    kind: z.literal('worst-case'),
    attacks: z
      .array(singleAttack)
      .min(1)
      .describe(
        'tried in this order on what still stands; the worst point of each example is kept',
      ),
    fosc,
  }),
] as const

export const attackSchema = z.discriminatedUnion('kind', attackKinds)
