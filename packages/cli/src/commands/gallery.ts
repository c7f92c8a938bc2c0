import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { type Command, InvalidArgumentError } from 'commander'
import { createEvaluationReporter } from '../progress/evaluation.js'
import { stopOnSignals } from '../stopping.js'
import type { Terminal } from '../terminal.js'
import { addSubjectFlags, computeFrom, requestFrom, type SubjectFlags } from './evaluation-flags.js'

const EXAMPLES = `
Examples:
  saddle gallery runs/quickstart-20260101-120000
  saddle gallery --model mnist.safetensors --activation relu --data x-test.npy \\
    --labels y-test.npy --radii 0.1 --attacks pgd:steps=40 --examples 8 --out gallery.svg
  saddle gallery --model cifar.safetensors --activation relu --data x.npy --labels y.npy \\
    --image 32x32x3 --set box-l2 --radii 0.5 --examples 3,14,15

Attacks a few examples (by default the first 8) at one radius, and writes one picture:
originals with their labels, perturbations magnified by the factor that is printed,
and what came out of them with its prediction, in colour where the attack succeeded.
The shape of the images is that of X.npy, [n, height, width] with channels first or
last, unless --image says it; MNIST's is known.`

interface GalleryFlags extends SubjectFlags {
  readonly image?: readonly number[]
  readonly out?: string
  readonly quiet?: boolean
}

export function addGallery(program: Command, terminal: Terminal): void {
  addSubjectFlags(
    program
      .command('gallery')
      .summary('show originals, perturbations and adversarial images')
      .description(
        'Attacks a few images and shows originals, perturbations and what came of them.',
      ),
  )
    .option('--image <SHAPE>', '28x28, 32x32x3 or 3x32x32 (default: as X.npy)', imageShape)
    .option(
      '--out <FILE.svg>',
      'picture to write (default: gallery.svg in the folder of the evaluation)',
    )
    .option('--quiet', 'no progress on stderr')
    .addHelpText('after', EXAMPLES)
    .action(async (run: string | undefined, flags: GalleryFlags) => {
      const distributed = await import('@saddle/distributed')
      const { out, image } = flags
      if (out !== undefined && !/\.svg$/i.test(out))
        throw new SaddleError(
          'CONFIG',
          `--out ${out}: a gallery is an SVG; give a name that ends in .svg.`,
        )
      const request = await requestFrom(distributed, run, flags)
      const reporter = createEvaluationReporter(terminal, flags.quiet === true)
      const stopping = stopOnSignals(
        () => reporter.note('stopping; what is finished is kept. Once more to exit at once'),
        () => reporter.close(),
      )
      let shown: Awaited<ReturnType<typeof distributed.gallery>>
      try {
        shown = await distributed.gallery(request, {
          ...computeFrom(flags),
          image,
          signal: stopping.signal,
          onEvent: reporter.event,
        })
      } finally {
        reporter.close()
        stopping.release()
      }
      const { drawGallery } = await import('../report/gallery.js')
      const file = out ?? join(shown.dir, 'gallery.svg')
      await writePicture(file, drawGallery(shown))
      const lines = shown.items.map(
        ({ example, label, prediction, adversarialPrediction, success, attack }) =>
          `  example ${example}: label ${label}, read as ${prediction}; attacked ${
            success
              ? `by ${attack} as ${adversarialPrediction}`
              : `still as ${adversarialPrediction}`
          }`,
      )
      terminal.out.write(`${[...lines, '', `Picture  ${file}`].join('\n')}\n`)
    })
}

async function writePicture(file: string, svg: string): Promise<void> {
  await writeFile(file, svg).catch((error: NodeJS.ErrnoException) => {
    throw new SaddleError(
      'DISK',
      `Could not write ${file}: ${error.message}. Choose another place with --out.`,
    )
  })
}

function imageShape(text: string): number[] {
  const sizes = text.split('x').map(Number)
  if ([2, 3].includes(sizes.length) && sizes.every(size => Number.isSafeInteger(size) && size > 0))
    return sizes
  throw new InvalidArgumentError(`Expected a shape such as 28x28 or 32x32x3, got "${text}".`)
}
