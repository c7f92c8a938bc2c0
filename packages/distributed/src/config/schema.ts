import { z } from 'zod'
import { attackSchema } from './attack-schema.js'
import { dataSchema } from './data-schema.js'
import { trainingAttackSchema } from './recipe-schema.js'

/**
 * The whole configuration of a run: defaults, units and descriptions in one place. The JSON Schema for editors and
 * the reference page are generated from it. Unknown keys are refused.
 */

const positiveInt = z.int().positive()
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
      .exactOptional()
      .describe(
        'deep: paper (default), mirrored or subtract (f = 0 at the start); two-layer: symmetric',
      ),
    first: z
      .enum(['folded', 'dense'])
      .exactOptional()
      .describe(
        'deep: folded (default) trains U of W⁽¹⁾A = UF; dense holds W⁽¹⁾, the slow reference',
      ),
  })
  .describe('the network')

const stepSizeSchema = z.union([
  z.number().positive(),
  z
    .literal('theory')
    .describe(
      '0.7/(m H Ls) for deep, 1/(C1² Ls) for two-layer, Ls the smoothness of the loss: safe for inputs of norm 1',
    ),
  z.strictObject({
    kind: z.literal('piecewise'),
    values: z.array(z.number().positive()).min(1).describe('α, one more than boundaries'),
    boundaries: z.array(positiveInt).describe('steps at which the next value starts, ascending'),
  }),
  z.strictObject({
    kind: z.literal('cosine'),
    from: z.number().positive().describe('α at step 0'),
    to: z.number().nonnegative().default(0).describe('α that the last step comes close to'),
  }),
])

const descentSchema = z
  .strictObject({
    steps: positiveInt.describe('T, steps of descent'),
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
    name: z.string().default('run').describe('shown in reports; part of the default run folder'),
    seed: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .default(0)
      .describe('the key of all randomness: equal configurations give equal bits'),
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
        kind: z
          .enum([
            'l1',
            'l2',
            'linf',
            'box-l1',
            'box-l2',
            'box-linf',
            'cap',
            'box-sphere',
            'lift-l2',
            'lift-linf',
          ])
          .describe(
            'l1, l2, linf: balls; box-: inside [0,1]^d too; cap, box-sphere: l2, l∞ ball on the sphere; lift-: balls in the chart of sphere lift',
          ),
        radius: z.number().nonnegative().describe('δ, in the units of the inputs'),
        allowIncompatible: z
          .boolean()
          .default(false)
          .describe('train although sets of differently labelled points meet (Definition 3.1)'),
      })
      .describe('the perturbation set B(x)'),
    attack: trainingAttackSchema
      .prefault({ kind: 'pgd' })
      .describe(
        'the inner maximisation while training: an attack, a recipe (trades, fosc-dynamic, free, yopo), or a schedule of them; see docs/recipes.md',
      ),
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
      .prefault({})
      .describe('what is measured after training'),
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
      .prefault({})
      .describe('what is watched while training'),
    checkpoints: z
      .strictObject({
        every: positiveInt.default(25).describe('steps between checkpoints'),
        keep: positiveInt.default(2).describe('checkpoints kept; the last one always is'),
      })
      .prefault({})
      .describe('what is kept on disk, to resume from'),
    compute: z
      .strictObject({
        backend: z
          .string()
          .default('auto')
          .describe(
            'auto, wasm, cpu, …; see `saddle devices`. Beside a list of devices: what computes the initial weights',
          ),
        devices: z
          .union([z.literal('auto'), z.array(z.string()).min(1)])
          .default('auto')
          .describe(
            'auto: workers on `backend`; or a list such as [cuda:0, cuda:1, blas], repeats allowed; see docs/devices.md',
          ),
        workers: z
          .union([z.literal('auto'), positiveInt])
          .default('auto')
          .describe(
            'auto: one a core, or one a device; with more workers devices are dealt in turn',
          ),
        split: z
          .enum(['auto', 'examples', 'neurons'])
          .default('auto')
          .describe(
            'what workers and ranks share out: examples, or neurons (one hidden layer); auto: what sends fewer numbers; decides the last bits of sums',
          ),
        update: z
          .enum(['auto', 'device', 'host'])
          .default('auto')
          .describe(
            'where weights are updated: on the devices (equal GPUs of cuda, which then hold W, D and W₀), or on the host; auto: on devices that can, which then split examples; decides the last bits',
          ),
        precision: z
          .enum(['float32', 'tf32', 'bf16'])
          .default('float32')
          .describe(
            'what products of the attack while training round to (cuda); all else, and all that is reported, is float32',
          ),
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
        deadline: z
          .number()
          .positive()
          .default(300)
          .describe('seconds without a sign of life after which a process of a device is killed'),
        gradients: z
          .enum(['auto', 'factors', 'dense'])
          .default('auto')
          .describe(
            'how gradients travel between workers and ranks; auto: the form with fewer bytes; decides the last bits of sums',
          ),
        deal: z
          .enum(['even', 'measured'])
          .default('even')
          .describe(
            'shards a rank gets: even, by its workers; measured, by the speed found in the first steps',
          ),
        sums: z
          .enum(['ordered', 'fewest'])
          .default('ordered')
          .describe(
            'dense gradients of several ranks: ordered, added in example order, so that bits do not depend on the ranks; fewest, by an all-reduce where that sends fewer bytes',
          ),
        verify: positiveInt
          .default(25)
          .describe(
            'steps between comparisons of the ranks’ weights; they are compared at every checkpoint too',
          ),
        grace: z
          .number()
          .positive()
          .default(25)
          .describe(
            'seconds that a rank which was asked to stop waits for others that do not answer, before the job is ended without a checkpoint',
          ),
      })
      .prefault({})
      .describe(
        'what computes; workers, retries, deadline, deal, verify and grace change no bit of the result',
      ),
  })
  .describe('A Saddle run')

/** What a file may hold beyond one run: `sweep`, which stands for many. */
export const fileSchema = configSchema
  .extend({
    sweep: z
      .record(z.string(), z.array(z.unknown()).min(1))
      .exactOptional()
      .describe(
        'settings to lists of values, such as {network.width: [64, 128], seed: [0, 1]}: one run for every combination; see docs/cluster.md',
      ),
  })
  .describe('A Saddle run')

/** A configuration as a user writes it. */
export type ConfigInput = z.input<typeof configSchema>
/** A configuration with every default filled in. */
export type Config = z.output<typeof configSchema>
