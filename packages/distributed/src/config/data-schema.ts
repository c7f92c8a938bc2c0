import { z } from 'zod'

const positiveInt = z.int().positive()
const classesOfSource = z.array(z.union([z.int(), z.string()])).min(2)

const mnist = z.strictObject({ kind: z.literal('mnist') })
const idx = z.strictObject({
  kind: z.literal('idx'),
  images: z
    .string()
    .describe('IDX file of images (ubyte, rank 3) or vectors (rank 2); .gz is read too'),
  labels: z.string().describe('IDX file of labels (ubyte, rank 1)'),
  testImages: z.string().exactOptional().describe('as images, for the test part'),
  testLabels: z.string().exactOptional().describe('as labels, for the test part'),
})
const npy = z.strictObject({
  kind: z.literal('npy'),
  inputs: z.string().describe('NumPy .npy file, [n, d] or [n, …], float or integer'),
  labels: z.string().describe('NumPy .npy file, [n]'),
  testInputs: z.string().exactOptional().describe('as inputs, for the test part'),
  testLabels: z.string().exactOptional().describe('as labels, for the test part'),
})
const csv = z.strictObject({
  kind: z.literal('csv'),
  file: z.string().describe('CSV file, one example a line'),
  testFile: z.string().exactOptional().describe('as file, for the test part'),
  labelColumn: z.int().exactOptional().describe('0-based; default: the last column'),
  header: z.boolean().exactOptional().describe('true if the first line names the columns'),
})
const clusters = z.strictObject({
  kind: z.literal('clusters'),
  dimension: z.int().min(2).describe('d, coordinates of a point'),
  clusters: z
    .int()
    .min(2)
    .default(2)
    .describe('clusters, each a class; for scalar labels even ones are −1 and odd ones +1'),
  separation: z
    .number()
    .positive()
    .describe('least distance between two cluster centres on the unit sphere'),
  spread: z.number().nonnegative().describe('largest distance of a point from its centre'),
})
const pairs = z.strictObject({
  kind: z.literal('pairs'),
  dimension: z.int().min(2).describe('d, coordinates of a point'),
  delta: z.number().positive().describe('δ of S_δ: all points are more than 2δ apart'),
  gap: z.number().gt(1).default(1.1).describe('distance inside a pair, in units of 2δ'),
})

/** What core's `DataSpec` says, with defaults and descriptions. */
export const dataSchema = z
  .strictObject({
    source: z
      .discriminatedUnion('kind', [mnist, idx, npy, csv, clusters, pairs])
      .default({ kind: 'mnist' })
      .describe(
        'where examples come from; relative paths start at the folder of the configuration',
      ),
    classes: classesOfSource
      .nullable()
      .default(null)
      .describe('source classes to keep; with labels: scalar the first becomes −1, the second +1'),
    labels: z
      .enum(['scalar', 'classes'])
      .default('scalar')
      .describe('scalar: two classes as ±1, one output; classes: c outputs'),
    count: positiveInt
      .nullable()
      .default(null)
      .describe('training examples; null takes all; clusters and pairs need it'),
    testCount: positiveInt
      .nullable()
      .default(null)
      .describe('test examples; null takes all, and none of clusters and pairs'),
    sphere: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('none') }),
        z.strictObject({ kind: z.literal('normalise') }),
        z.strictObject({
          kind: z.literal('bias'),
          value: z
            .number()
            .positive()
            .default(0.5)
            .describe(
              'coordinate appended to the normalised point, which is then normalised again',
            ),
        }),
        z.strictObject({
          kind: z.literal('lift'),
          floor: z
            .number()
            .gt(0)
            .lt(1)
            .default(0.5)
            .describe(
              'least last coordinate: x becomes (s x, √(1 − s²‖x‖²)), s as large as this allows',
            ),
        }),
      ])
      .default({ kind: 'normalise' })
      .describe('how inputs get onto the unit sphere, where the paper has them'),
    pool: positiveInt.default(1).describe('average-pool images by this factor first'),
  })
  .describe('the examples')
