import { SaddleError } from '../errors.js'
import { makeClusters } from './clusters.js'
import { readCsv } from './csv.js'
import type { DataSpec } from './dataset.js'
import type { Examples, Source } from './examples.js'
import { type DataFile, dataFile } from './file.js'
import { readIdx } from './idx.js'
import { readMnist } from './mnist.js'
import { readNpy } from './npy.js'
import { makePairs } from './pairs.js'

/** Reads or makes the examples that `spec` names. Relative paths are taken from `directory`; `seed` is for generators. */
export async function readSource(spec: DataSpec, seed: number, directory: string): Promise<Source> {
  const { source } = spec
  const file = (name: string) => dataFile(name, directory)
  switch (source.kind) {
    case 'mnist':
      return readMnist()
    case 'idx': {
      const { images, labels, testImages, testLabels } = source
      const test = bothOrNone('testImages', testImages, 'testLabels', testLabels)
      return readParts([images, labels], test, (x, y) => readIdx(file(x), file(y)))
    }
    case 'npy': {
      const { inputs, labels, testInputs, testLabels } = source
      const test = bothOrNone('testInputs', testInputs, 'testLabels', testLabels)
      return readParts([inputs, labels], test, (x, y) => readNpy(file(x), file(y)))
    }
    case 'csv': {
      const read = (one: DataFile) => readCsv(one, source)
      const test = source.testFile === undefined ? null : await read(file(source.testFile))
      return { train: await read(file(source.file)), test }
    }
    case 'clusters':
      return makeClusters(source, spec.labels, syntheticCounts(spec), seed)
    case 'pairs':
      return makePairs(source, syntheticCounts(spec), seed)
  }
}

type Pair = readonly [string, string]

async function readParts(
  train: Pair,
  test: Pair | null,
  read: (inputs: string, labels: string) => Promise<Examples>,
): Promise<Source> {
  return { train: await read(...train), test: test === null ? null : await read(...test) }
}

function bothOrNone(
  firstName: string,
  first: string | undefined,
  secondName: string,
  second: string | undefined,
): Pair | null {
  if (first !== undefined && second !== undefined) return [first, second]
  if (first === undefined && second === undefined) return null
  const missing = first === undefined ? firstName : secondName
  throw new SaddleError(
    'CONFIG',
    `A test part needs both ${firstName} and ${secondName}; data.source.${missing} is missing. Give both or neither.`,
    { missing },
  )
}

function syntheticCounts(spec: DataSpec): { train: number; test: number | null } {
  const kind = spec.source.kind
  if (spec.count === null)
    throw new SaddleError(
      'CONFIG',
      `data.count is null, which takes all examples there are, but "${kind}" makes as many as asked for. Set data.count to a number.`,
      { kind },
    )
  if (spec.classes !== null)
    throw new SaddleError(
      'CONFIG',
      `data.classes selects classes of a file, but "${kind}" makes its own: expected null, got [${spec.classes.join(', ')}]. Leave it out.`,
      { kind },
    )
  return { train: spec.count, test: spec.testCount }
}
