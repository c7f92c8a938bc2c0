import { createHash } from 'node:crypto'
import { SaddleError } from '../errors.js'
import type { DataSpec, DataSplit, Dataset } from './dataset.js'
import type { Examples } from './examples.js'
import { gather, type Points, shareFloats } from './gather.js'
import { chooseClasses, type Selection, select } from './select.js'
import { readSource } from './source.js'
import { ontoSphere } from './sphere.js'

/**
 * Loads the examples of a run: reads or generates them, keeps the classes and the number asked for, pools images, and
 * brings all onto the sphere. The result lies in shared memory: 4 bytes a coordinate. Takes what reading takes; MNIST
 * whole, 60000 + 10000 examples, some two seconds.
 *
 *     const { train, test } = await loadData(spec, { seed: 0 })
 *     train.inputs // Float32Array [train.count, train.dimension]
 *
 * @param options.seed of generated examples; files do not use it
 * @param options.directory what relative paths are relative to; default: the working directory
 * @throws SaddleError DATA if a file is missing, damaged or holds what cannot be used (naming file, example, coordinate
 * or line); CONFIG if `spec` asks for what the data do not have.
 */
export async function loadData(
  spec: DataSpec,
  options: { readonly seed: number; readonly directory?: string },
): Promise<DataSplit> {
  const source = await readSource(spec, options.seed, options.directory ?? process.cwd())
  if (source.test === null && spec.testCount !== null && !isSynthetic(spec))
    throw new SaddleError(
      'CONFIG',
      `data.testCount is ${spec.testCount}, but no test part is named in data.source. Name its files, or set testCount to null.`,
      { testCount: spec.testCount },
    )
  const classes = chooseClasses(source.train, spec.classes, spec.labels)
  const choose = (examples: Examples, count: number | null) =>
    select(
      examples,
      classes,
      spec.labels,
      isSynthetic(spec) ? null : count,
      spec.classes === null ? 'refuse' : 'drop',
    )

  const selections = [choose(source.train, spec.count)]
  const chosen = [gather(source.train, selections[0]!.rows, spec.pool)]
  if (source.test !== null) {
    const selection = choose(source.test, spec.testCount)
    selections.push(selection)
    chosen.push(gather(source.test, selection.rows, spec.pool))
    assertSameDimension(chosen[0]!, chosen[1]!)
  }
  const parts = ontoSphere(chosen, spec.sphere).map((points, i) =>
    toDataset(points, selections[i]!, classes),
  )
  return { train: parts[0]!, test: parts[1] ?? null, hash: hashOf(parts) }
}

function isSynthetic({ source }: DataSpec): boolean {
  return source.kind === 'clusters' || source.kind === 'pairs'
}

function toDataset(points: Points, { labels }: Selection, classes: readonly string[]): Dataset {
  const shared = shareFloats(labels.length)
  shared.set(labels)
  return {
    name: points.origin,
    inputs: points.inputs,
    labels: shared,
    count: labels.length,
    dimension: points.dimension,
    classes,
  }
}

/** SHA-256 over, for each part: count and dimension in decimal, the labels' bytes, the inputs' bytes. */
function hashOf(parts: readonly Dataset[]): string {
  const hash = createHash('sha256')
  for (const { count, dimension, labels, inputs } of parts) {
    hash.update(`${count} ${dimension}\n`)
    hash.update(labels)
    hash.update(inputs)
  }
  return hash.digest('hex')
}

function assertSameDimension(train: Points, test: Points): void {
  if (train.dimension === test.dimension) return
  throw new SaddleError(
    'DATA',
    `Training examples (${train.origin}) have ${train.dimension} coordinates, but test examples (${test.origin}) have ${test.dimension}; expected the same. Check that the files belong together.`,
    { train: train.dimension, test: test.dimension },
  )
}
