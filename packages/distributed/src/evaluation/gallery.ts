import { SaddleError } from '@saddle/core'
import { worstAttacks, worstPoints } from './adversarial.js'
import { carryOutEvaluation, conclude, type EvaluateOptions } from './evaluate.js'
import { labelsOf } from './labels.js'
import { type EvaluationRequest, resolveRequest } from './resolve.js'

/** Examples as images, with the worst points that attacks found for them, all in the model's units. */
export interface Gallery {
  readonly height: number
  readonly width: number
  /** 1 for grey, 3 for red, green and blue: the last index. */
  readonly channels: 1 | 3
  readonly items: readonly GalleryItem[]
  readonly model: string
  readonly set: string
  readonly radius: number
  readonly attacks: readonly string[]
  readonly dir: string
}

export interface GalleryItem {
  /** Index in the data. */
  readonly example: number
  readonly label: string
  readonly prediction: string
  readonly adversarialPrediction: string
  readonly success: boolean
  /** The attack that found it. */
  readonly attack: string
  /** [height, width, channels] */
  readonly original: Float32Array
  readonly adversarial: Float32Array
}

/** Examples shown where none are named. */
const SHOWN = 8

/**
 * Attacks a few examples at one radius and shows what became of them as images.
 *
 * @param image [height, width] with channels first or last, where the data do not say it.
 * @throws SaddleError CONFIG if the examples are no images, or several radii are asked for; else as `evaluate`.
 */
export async function gallery(
  request: EvaluationRequest,
  options: EvaluateOptions & { readonly image?: readonly number[] | undefined } = {},
): Promise<Gallery> {
  const resolved = await resolveRequest(
    { examples: { first: SHOWN }, ...request, saveAdversarial: '' },
    options,
  )
  const { job, examples, subject } = resolved
  if (job.radii.length > 1)
    throw new SaddleError(
      'CONFIG',
      `A gallery shows one radius; got ${job.radii.join(', ')}. Name one with --radii.`,
      { radii: job.radii },
    )
  const { dimension, classes } = job.data
  const layout = layoutOf(options.image ?? examples.image, dimension, examples.source)
  const asImage = (points: Float32Array, place: number) =>
    channelsLast(points.subarray(place * dimension, (place + 1) * dimension), layout)
  return carryOutEvaluation({ ...resolved, saveAdversarial: null }, options, async store => {
    const { findings } = await conclude({ ...resolved, saveAdversarial: null }, store)
    const points = await worstPoints(job, store, findings)
    const [worst] = worstAttacks(findings, 1, job.order.length)
    const labels = labelsOf(job.attacks)
    const named = (label: number) =>
      (subject.outputs === 1 ? classes[label > 0 ? 1 : 0] : classes[label]) ?? String(label)
    return {
      height: layout.height,
      width: layout.width,
      channels: layout.channels,
      model: `${subject.source}: ${subject.description}`,
      set: job.set,
      radius: job.radii[0]!,
      attacks: labels,
      dir: resolved.dir,
      items: Array.from(job.order, (example, i): GalleryItem => {
        const at = findings.searched[worst![i]!]!.radii[0]!
        return {
          example,
          label: named(job.data.labels[example]!),
          prediction: named(findings.clean.predictions[i]!),
          adversarialPrediction: named(at.predictions[i]!),
          success: at.success[i] === 1,
          attack: labels[worst![i]!]!,
          original: asImage(job.data.inputs, example),
          adversarial: asImage(points, i),
        }
      }),
    }
  })
}

interface ImageLayout {
  readonly height: number
  readonly width: number
  readonly channels: 1 | 3
  readonly first: boolean
}

/** Numbers an example may have beyond its pixels: the coordinate that `sphere: bias` appends. */
const APPENDED = 1

/** @throws SaddleError CONFIG unless examples of so many numbers are images of this shape. */
function layoutOf(shape: readonly number[] | null, dimension: number, source: string): ImageLayout {
  const [a = 0, b = 0, c] = shape ?? []
  const pixels = (shape ?? []).reduce((x, y) => x * y, 1)
  const fits = shape !== null && (pixels === dimension || pixels + APPENDED === dimension)
  if (fits && shape.length === 2) return { height: a, width: b, channels: 1, first: false }
  if (fits && shape.length === 3 && (c === 1 || c === 3))
    return { height: a, width: b, channels: c, first: false }
  if (fits && shape.length === 3 && (a === 1 || a === 3))
    return { height: b, width: c!, channels: a, first: true }
  const said =
    shape === null
      ? 'which do not say how they are laid out'
      : `not images of shape ${shape.join('x')}`
  throw new SaddleError(
    'CONFIG',
    `${source} has ${dimension} numbers an example, ${said}. Name the shape of the image, as --image 28x28, 32x32x3 or ` +
      '3x32x32; a gallery shows images only.',
    { dimension, shape },
  )
}

function channelsLast(
  point: Float32Array,
  { height, width, channels, first }: ImageLayout,
): Float32Array {
  const size = height * width
  const image = point.slice(0, size * channels)
  if (!first || channels === 1) return image
  return Float32Array.from(
    image,
    (_, k) => point[(k % channels) * size + Math.floor(k / channels)]!,
  )
}
