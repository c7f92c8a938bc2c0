import { z } from 'zod'

/** Minimum-norm and query-only attacks as a configuration names them; attack-schema.ts has the others. */

const count = (value: number, words: string) => z.int().positive().default(value).describe(words)
const positive = (value: number, words: string) =>
  z.number().positive().default(value).describe(words)
const share = (value: number, words: string) =>
  z.number().positive().max(1).default(value).describe(words)
const even = (value: number, words: string) =>
  z.int().positive().multipleOf(2).default(value).describe(words)

const fosc = z
  .boolean()
  .exactOptional()
  .describe('report the first-order stationarity gap of every point')
const momentum = z
  .number()
  .nonnegative()
  .lt(1)
  .default(0.9)
  .describe('μ, the share of the former estimate')
const abortEarly = z
  .boolean()
  .default(true)
  .describe('end a search whose objective no longer falls')
const start = {
  draws: count(1000, 'random points tried for an adversarial start'),
  blends: count(50, 'points tried between x and the start'),
}
const limited = {
  queries: count(1_000_000, 'queries an example, at most'),
  topK: count(1, 'most probable classes that an answer tells of'),
  samples: even(100, 'points a gradient estimate'),
  sigma: positive(
    1e-3,
    'how far they lie from x, times a standard normal, in the units of the inputs',
  ),
  stepSize: positive(0.01, 'the first step, in the units of the inputs'),
  patience: z.int().min(2).default(20).describe('estimates without progress that halve the step'),
  momentum,
  shrink: positive(0.5, 'how much the radius is brought down by at first'),
  ...start,
  fosc,
}

/** Each is an attack of its own, not one made of others. */
export const searchAttacks = [
  z.strictObject({
    kind: z.literal('fab'),
    steps: count(100, 'iterations of a run'),
    restarts: count(1, 'runs, all but the first from random points'),
    targetClasses: z
      .int()
      .nonnegative()
      .default(0)
      .describe(
        '0: the nearest boundary at every step; k: those of the k likeliest wrong classes, a run each',
      ),
    alphaMax: z.number().min(0).max(1).default(0.1).describe('largest share of the step towards x'),
    eta: positive(1.05, 'overshoot'),
    beta: z
      .number()
      .min(0)
      .max(1)
      .default(0.9)
      .describe('how far an adversarial point goes back to x'),
    stopInside: z
      .boolean()
      .default(false)
      .describe(
        'an example is done at its first adversarial point inside the set, as in AutoAttack',
      ),
    fosc,
  }),
  z.strictObject({
    kind: z.literal('deepfool'),
    steps: count(50, 'iterations, at most'),
    candidates: count(10, 'likeliest wrong classes whose boundaries compete'),
    overshoot: z
      .number()
      .nonnegative()
      .default(0.02)
      .describe('by what share the way is made longer'),
    fosc,
  }),
  z.strictObject({
    kind: z.literal('ddn'),
    steps: count(100, 'gradient steps'),
    initial: positive(1, 'norm of the first perturbations, in the units of the inputs'),
    gamma: z
      .number()
      .positive()
      .lt(1)
      .default(0.05)
      .describe('by what share the norm shrinks or grows'),
    fosc,
  }),
  z.strictObject({
    kind: z.literal('carlini-wagner-l2'),
    searches: count(9, 'values of c that are tried'),
    steps: count(10_000, 'Adam steps for each of them, at most'),
    stepSize: positive(0.01, "Adam's step size"),
    initial: positive(1e-3, 'c of the first search'),
    confidence: z
      .number()
      .nonnegative()
      .default(0)
      .describe('κ, the lead that an adversarial point must have'),
    abortEarly,
    fosc,
  }),
  z.strictObject({
    kind: z.literal('carlini-wagner-linf'),
    steps: count(1000, 'Adam steps for a pair of τ and c, at most'),
    stepSize: positive(5e-3, "Adam's step size"),
    initial: positive(1e-5, 'c of the first search; it doubles after a failure'),
    largest: positive(20, 'c above which the attack ends'),
    shrink: z.number().positive().lt(1).default(0.9).describe('factor of τ after a success'),
    leastTau: positive(1 / 256, 'τ below which the attack ends'),
    fosc,
  }),
  z.strictObject({
    kind: z.literal('lbfgs'),
    searches: count(9, 'values of c that are tried'),
    steps: count(100, 'iterations for each of them, at most'),
    initial: positive(0.01, 'c of the first search'),
    fosc,
  }),
  z.strictObject({
    kind: z.literal('square'),
    queries: count(5000, 'queries a run'),
    restarts: count(1, 'runs'),
    share: share(0.8, 'share of the pixels that the first squares cover'),
    schedule: z
      .enum(['fixed', 'rescaled'])
      .default('fixed')
      .describe(
        'fixed: squares shrink as at 10 000 queries, as in AutoAttack; rescaled: over the queries there are',
      ),
    loss: z.enum(['margin', 'cross-entropy']).default('margin').describe('what falls'),
    image: z
      .strictObject({
        channels: z.int().positive().describe('planes'),
        height: z.int().positive().describe('rows of a plane'),
        width: z.int().positive().describe('pixels of a row'),
      })
      .exactOptional()
      .describe(
        'layout of the examples, plane after plane; default: square, three square planes, or a line',
      ),
    fosc,
  }),
  z.strictObject({
    kind: z.literal('zoo'),
    searches: count(1, 'values of c that are tried'),
    steps: count(10_000, 'steps for each of them, at most'),
    coordinates: count(128, 'coordinates a step, two queries each'),
    difference: positive(1e-3, 'h of the symmetric differences, in the units of the inputs'),
    stepSize: positive(0.01, "Adam's step size, in the units of the inputs"),
    initial: positive(0.25, 'c of the first search'),
    abortEarly,
    fosc,
  }),
  z.strictObject({
    kind: z.literal('nes'),
    queries: count(10_000, 'queries an example, at most'),
    samples: even(50, 'points a gradient estimate'),
    sigma: positive(
      1e-3,
      'how far they lie from x, times a standard normal, in the units of the inputs',
    ),
    stepSize: positive(0.2, 'the first step, in units of the radius'),
    leastStep: positive(0.001, 'the smallest it is halved to, in units of the radius'),
    patience: z.int().min(2).default(5).describe('estimates without progress that halve the step'),
    momentum,
    fosc,
  }),
  z.strictObject({
    kind: z.literal('nes-partial'),
    ...limited,
    leastStep: positive(1e-3, 'the smallest it is halved to'),
    threshold: positive(0.2, 'the radius is brought down as soon as the loss is below'),
    caution: z
      .number()
      .min(1)
      .default(2)
      .describe('the radius is brought down by one part in so many'),
  }),
  z.strictObject({
    kind: z.literal('nes-label-only'),
    ...limited,
    leastStep: positive(1e-4, 'the smallest it is halved to'),
    threshold: positive(0.15, 'the radius is brought down as soon as the loss is below'),
    caution: z
      .number()
      .min(1)
      .default(4)
      .describe('the radius is brought down by one part in so many'),
    proxyPoints: count(50, 'points around a point whose labels make its score'),
    proxyRadius: positive(2e-3, 'how far they lie from it in every coordinate'),
  }),
  z.strictObject({
    kind: z.literal('spsa'),
    steps: count(100, 'Adam steps'),
    directions: count(64, 'random sign vectors an estimate, two queries each'),
    delta: positive(0.01, 'how far the two points lie from x in every coordinate'),
    stepSize: positive(0.01, "Adam's step size, in the units of the inputs"),
    fosc,
  }),
  z.strictObject({
    kind: z.literal('boundary'),
    steps: count(25_000, 'steps, at most'),
    sphericalStep: positive(0.01, 'first step on the sphere, as a share of the distance'),
    sourceStep: positive(0.01, 'first step towards x, as a share of the distance'),
    convergence: positive(1e-7, 'step towards x below which the attack ends'),
    adaptation: z.number().gt(1).default(1.5).describe('factor by which both steps adapt'),
    statistics: count(10, 'steps between two questions that the adaptation goes by'),
    ...start,
    fosc,
  }),
  z.strictObject({
    kind: z.literal('hop-skip-jump'),
    steps: count(64, 'steps'),
    initialQueries: count(100, 'queries of the first gradient estimate'),
    mostQueries: count(10_000, 'queries of an estimate, at most'),
    gamma: positive(1, 'how finely the boundary is bracketed'),
    ...start,
    fosc,
  }),
] as const
