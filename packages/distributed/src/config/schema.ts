import { z } from 'zod'

/**
 * The whole configuration of a run: defaults, units and descriptions in one place. The JSON Schema for editors and
 * the reference page are generated from it. Unknown keys are refused.
 */

const positiveInt = z.int().positive()
const classesOfSource = z.array(z.union([z.int().nonnegative(), z.string()])).min(2)

const mnist = z.strictObject({ kind: z.literal('mnist') })
const idx = z.strictObject({
  kind: z.literal('idx'),
  images: z
    .string()
    .describe('IDX file of images (ubyte, rank 3) or vectors (rank 2); .gz is read too'),
  labels: z.string().describe('IDX file of labels (ubyte, rank 1)'),
  testImages: z.string().optional(),
  testLabels: z.string().optional(),
})
const npy = z.strictObject({
  kind: z.literal('npy'),
  inputs: z.string().describe('NumPy .npy file, [n, d] or [n, …], float or integer'),
  labels: z.string().describe('NumPy .npy file, [n]'),
  testInputs: z.string().optional(),
  testLabels: z.string().optional(),
})
const csv = z.strictObject({
  kind: z.literal('csv'),
  file: z.string(),
  testFile: z.string().optional(),
  labelColumn: z.int().optional().describe('0-based; default: the last column'),
  header: z.boolean().optional().describe('true if the first line names the columns'),
})
const clusters = z.strictObject({
  kind: z.literal('clusters'),
  dimension: z.int().min(2),
  clusters: z.int().min(2).default(2),
  separation: z
    .number()
    .positive()
    .describe('least distance between two cluster centres on the unit sphere'),
  spread: z.number().nonnegative().describe('largest distance of a point from its centre'),
})
const pairs = z.strictObject({
  kind: z.literal('pairs'),
  dimension: z.int().min(2),
  delta: z.number().positive().describe('δ of S_δ: all points are more than 2δ apart'),
  gap: z.number().gt(1).default(1.1).describe('distance inside a pair, in units of 2δ'),
})

const dataSchema = z
  .strictObject({
    source: z
      .discriminatedUnion('kind', [mnist, idx, npy, csv, clusters, pairs])
      .default({ kind: 'mnist' }),
    classes: classesOfSource
      .nullable()
      .default(null)
      .describe('source classes to keep; with labels: scalar the first becomes −1, the second +1'),
    labels: z
      .enum(['scalar', 'classes'])
      .default('scalar')
      .describe('scalar: two classes as ±1, one output; classes: c outputs'),
    count: positiveInt.nullable().default(null).describe('training examples; null takes all'),
    testCount: positiveInt.nullable().default(null).describe('test examples; null takes all'),
    sphere: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('none') }),
        z.strictObject({ kind: z.literal('normalise') }),
        z.strictObject({ kind: z.literal('bias'), value: z.number().positive().default(0.5) }),
        z.strictObject({ kind: z.literal('lift'), floor: z.number().gt(0).lt(1).default(0.5) }),
      ])
      .default({ kind: 'normalise' })
      .describe('how inputs get onto the unit sphere, where the paper has them'),
    pool: positiveInt.default(1).describe('average-pool images by this factor first'),
  })
  .describe('the examples')

const networkSchema = z
  .strictObject({
    family: z
      .enum(['deep', 'two-layer'])
      .default('two-layer')
      .describe('deep: equation (1); two-layer: equation (4)'),
    width: positiveInt.describe('m, neurons a layer; even for two-layer'),
    depth: positiveInt.default(1).describe('H, trained hidden layers (deep)'),
    activation: z
      .string()
      .default('relu')
      .describe(
        'relu, gs:T, softplus:B, tanh, erf, gelu, silu, sincos, quadratic-relu; deep takes relu',
      ),
    init: z
      .enum(['paper', 'mirrored', 'subtract', 'symmetric'])
      .optional()
      .describe(
        'deep: paper (default), mirrored or subtract (f = 0 at the start); two-layer: symmetric',
      ),
    first: z
      .enum(['folded', 'dense'])
      .optional()
      .describe('deep: folded (default) holds B = W⁽¹⁾A; dense holds W⁽¹⁾, the slow reference'),
  })
  .describe('the network')

const fosc = z
  .boolean()
  .optional()
  .describe('report the first-order stationarity gap of every point')
const attackSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('identity'), fosc }),
  z.strictObject({ kind: z.literal('uniform'), draws: positiveInt.default(1), fosc }),
  z.strictObject({ kind: z.literal('fgsm'), fosc }),
  z.strictObject({
    kind: z.literal('pgd'),
    steps: positiveInt.default(10),
    stepSize: z.number().positive().default(0.25).describe('in units of the radius'),
    restarts: positiveInt.default(1),
    start: z.enum(['clean', 'uniform', 'border', 'clean-first']).default('uniform'),
    objective: z
      .enum(['loss', 'two-sided'])
      .default('loss')
      .describe('two-sided ascends +f and −f and keeps the larger loss (scalar outputs)'),
    keepBest: z.boolean().default(true).describe('keep the iterate with the largest loss'),
    fosc,
  }),
])

const stepSizeSchema = z.union([
  z.number().positive(),
  z.literal('theory').describe('0.7/(mH) for deep, 1/C1² for two-layer: safe for 1-smooth losses'),
  z.strictObject({
    kind: z.literal('piecewise'),
    values: z.array(z.number().positive()).min(1),
    boundaries: z.array(positiveInt).describe('steps at which the next value starts'),
  }),
  z.strictObject({
    kind: z.literal('cosine'),
    from: z.number().positive(),
    to: z.number().nonnegative().default(0),
  }),
])

const descentSchema = z
  .strictObject({
    steps: positiveInt.describe('T'),
    stepSize: stepSizeSchema.default('theory').describe('α, or a schedule, or theory'),
    radius: z
      .number()
      .positive()
      .nullable()
      .default(null)
      .describe(
        'R of B(R): ‖W−W₀‖_F ≤ R/√m a layer (deep) or ≤ R (two-layer); null does not project',
      ),
    batch: z
      .union([z.literal('full'), positiveInt])
      .default('full')
      .describe('full, as in the theorems, or examples a mini-batch'),
  })
  .describe('projected gradient descent')

export const configSchema = z
  .strictObject({
    name: z.string().default('run'),
    seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
    data: dataSchema,
    network: networkSchema,
    loss: z
      .string()
      .default('huber:1')
      .describe(
        'huber:K, pseudo-huber:K, log-cosh, smooth-hinge, logistic, square, hinge, absolute, cross-entropy',
      ),
    perturbation: z
      .strictObject({
        kind: z.enum([
          'l2',
          'linf',
          'box-l2',
          'box-linf',
          'cap',
          'box-sphere',
          'lift-l2',
          'lift-linf',
        ]),
        radius: z.number().nonnegative().describe('δ, in the units of the inputs'),
        allowIncompatible: z
          .boolean()
          .default(false)
          .describe('train although sets of differently labelled points meet (Definition 3.1)'),
      })
      .describe('the perturbation set B(x)'),
    attack: attackSchema
      .prefault({ kind: 'pgd' })
      .describe('the inner maximisation while training'),
    descent: descentSchema,
    evaluation: z
      .strictObject({
        attack: attackSchema
          .prefault({ kind: 'pgd', steps: 20 })
          .describe('the attack of reported robust figures'),
        baseline: z
          .boolean()
          .default(false)
          .describe('also train the same network with the identity attack and report it beside'),
      })
      .prefault({}),
    monitor: z
      .strictObject({
        comparator: z
          .string()
          .nullable()
          .default(null)
          .describe(
            'run folder whose final weights are W† of the regret monitor (C1–C4); null: off',
          ),
      })
      .prefault({}),
    checkpoints: z
      .strictObject({
        every: positiveInt.default(25).describe('steps between checkpoints'),
        keep: positiveInt.default(2).describe('checkpoints kept; the last one always is'),
      })
      .prefault({}),
    compute: z
      .strictObject({
        backend: z.string().default('auto').describe('auto, wasm, cpu, …; see `saddle devices`'),
        workers: z
          .union([z.literal('auto'), positiveInt])
          .default('auto')
          .describe('auto: one a core'),
        shard: positiveInt
          .default(128)
          .describe('examples a worker attacks at a time; decides the last bits of sums'),
        window: positiveInt
          .default(1 << 28)
          .describe(
            'bytes of gradient factors held at once; more examples are combined window by window',
          ),
        retries: z
          .int()
          .min(0)
          .default(3)
          .describe('times a shard is done again after its worker died'),
      })
      .prefault({}),
  })
  .describe('A Saddle run')

/** A configuration as a user writes it. */
export type ConfigInput = z.input<typeof configSchema>
/** A configuration with every default filled in. */
export type Config = z.output<typeof configSchema>
