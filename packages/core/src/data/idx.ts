import { SaddleError } from '../errors.js'
import { type ElementKind, elementBytes, type Numbers, readElements } from './elements.js'
import { assertSameCount, classNames, type Examples, product } from './examples.js'
import { assertLength, type DataFile, readBytes } from './file.js'

/**
 * The IDX format (LeCun, Cortes, Burges, "The MNIST database"), all big-endian:
 *
 *   0, 0, type code, rank r | r sizes, 4 bytes each | elements, last index fastest
 */
interface IdxArray {
  readonly kind: ElementKind
  readonly shape: readonly number[]
  readonly values: Numbers
}

const kinds: Readonly<Record<number, ElementKind>> = {
  8: 'u1',
  9: 'i1',
  11: 'i2',
  12: 'i4',
  13: 'f4',
  14: 'f8',
}

/**
 * Reads one array from the bytes of the IDX file called `file`.
 *
 * @throws SaddleError DATA, naming the file, if its magic number or its length is wrong.
 */
function parseIdx(bytes: Uint8Array, file: string): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const kind = kinds[bytes[2] ?? 0]
  const rank = bytes[3] ?? 0
  if (bytes.length < 4 || view.getUint16(0) !== 0 || kind === undefined || rank === 0)
    throw new SaddleError(
      'DATA',
      `${file} is not an IDX file: expected its first four bytes to be 0, 0, an element type (8 for bytes) and a rank, got ${[...bytes.subarray(0, 4)].join(', ') || 'an empty file'}. Name an IDX file, or choose another kind of source.`,
      { file, got: [...bytes.subarray(0, 4)] },
    )
  const header = 4 + 4 * rank
  if (bytes.length < header)
    assertLength(file, header, bytes.length, `the header of an array of rank ${rank}`)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  const body = product(shape) * elementBytes(kind)
  assertLength(
    file,
    header + body,
    bytes.length,
    `a header of ${header} and ${shape.join(' × ')} elements of ${elementBytes(kind)}`,
  )
  return { kind, shape, values: readElements(bytes.subarray(header), kind, false) }
}

/**
 * Examples from an IDX file of inputs [n, …] and one of labels [n]. Bytes are taken for pixels: 0..255 becomes 0..1.
 *
 * @throws SaddleError DATA if a file cannot be used, or the two differ in n.
 */
export async function readIdx(images: DataFile, labels: DataFile): Promise<Examples> {
  const inputs = parseIdx(await readBytes(images), images.name)
  const classes = parseIdx(await readBytes(labels), labels.name)
  const [count = 0, ...shape] = inputs.shape
  if (shape.length === 0)
    throw wrongRank(images.name, 'images', '[n, height, width] or [n, d]', inputs)
  if (classes.shape.length !== 1) throw wrongRank(labels.name, 'labels', '[n]', classes)
  assertSameCount(
    { origin: images.name, count },
    { origin: labels.name, count: classes.values.length },
  )
  return {
    origin: images.name,
    count,
    shape,
    values: inputs.values,
    scale: inputs.kind === 'u1' ? 1 / 255 : 1,
    labels: classNames(classes.values, labels.name),
  }
}

function wrongRank(file: string, what: string, expected: string, got: IdxArray): SaddleError {
  return new SaddleError(
    'DATA',
    `${file}: expected ${what} of shape ${expected}, got [${got.shape.join(', ')}]. Were the images and the labels exchanged?`,
    { file, shape: got.shape },
  )
}
