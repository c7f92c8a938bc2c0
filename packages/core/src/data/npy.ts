import { SaddleError } from '../errors.js'
import {
  type ElementKind,
  elementBytes,
  elementKinds,
  type Numbers,
  readElements,
} from './elements.js'
import { assertSameCount, classNames, type Examples, product, type Unlabelled } from './examples.js'
import { assertLength, type DataFile, readBytes } from './file.js'

/**
 * The NPY format (NumPy enhancement proposal 1):
 *
 *   \x93NUMPY, major, minor | header length: 2 bytes (v1) or 4 (v2, v3), little-endian | header | elements
 *
 * The header is a Python dictionary: descr (byte order, kind, bytes an element), fortran_order, shape.
 */
interface NpyArray {
  readonly shape: readonly number[]
  /** Row-major, whatever the file's order. */
  readonly values: Numbers
}

const MAGIC = '\x93NUMPY'

/**
 * Reads one array from the bytes of the NPY file called `file`: booleans, integers and floats of 4 and 8 bytes.
 *
 * @throws SaddleError DATA, naming the file, if it is damaged or holds anything else.
 */
function parseNpy(bytes: Uint8Array, file: string): NpyArray {
  const text = (from: number, to: number) =>
    Buffer.from(bytes.subarray(from, to)).toString('latin1')
  const magic = text(0, 6)
  const major = bytes[6] ?? 0
  if (magic !== MAGIC || major < 1 || major > 3)
    throw new SaddleError(
      'DATA',
      `${file} is not an NPY file: expected it to begin with ${JSON.stringify(MAGIC)} and a version of 1 to 3, got ${JSON.stringify(text(0, 8))}. Write it with numpy.save.`,
      { file },
    )
  const start = major === 1 ? 10 : 12
  if (bytes.length < start)
    assertLength(file, start, bytes.length, 'the beginning of an NPY header')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerBytes = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  const body = start + headerBytes
  if (bytes.length < body)
    assertLength(file, body, bytes.length, `a header of ${headerBytes} after ${start}`)
  const { kind, littleEndian, fortranOrder, shape } = parseHeader(text(start, body), file)
  assertLength(
    file,
    body + product(shape) * elementBytes(kind),
    bytes.length,
    `a header of ${body} and ${shape.join(' × ') || '1'} elements of ${elementBytes(kind)}`,
  )
  const values = readElements(bytes.subarray(body), kind, littleEndian)
  return { shape, values: fortranOrder ? rowMajor(values, shape) : values }
}

function parseHeader(header: string, file: string) {
  const descr = /'descr'\s*:\s*'([<>|=])(\w\d+)'/.exec(header)
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)
  const sizes = /'shape'\s*:\s*\(([\dL,\s]*)\)/.exec(header)
  const kind = elementKinds.find(k => k === descr?.[2])
  if (descr === null || kind === undefined || order === null || sizes === null)
    throw new SaddleError(
      'DATA',
      `${file}: the NPY header is ${header.trim()}; expected plain elements of a type among ${elementKinds.join(', ')}. Convert the array with numpy.asarray(x, dtype='float32') first.`,
      { file, header: header.trim() },
    )
  return {
    kind: kind satisfies ElementKind,
    littleEndian: descr[1] !== '>',
    fortranOrder: order[1] === 'True',
    shape: (sizes[1]!.match(/\d+/g) ?? []).map(Number),
  }
}

/** Elements stored first index fastest, brought into the order last index fastest. */
function rowMajor(values: Numbers, shape: readonly number[]): Numbers {
  const out = values.slice()
  const strides = shape.map((_, axis) => product(shape.slice(0, axis)))
  const index = new Array<number>(shape.length).fill(0)
  let from = 0
  for (let to = 0; to < out.length; to++) {
    out[to] = values[from]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return out
}

/**
 * Examples from an NPY file of inputs [n, …] and one of labels [n]. Values are taken as they are, bytes too.
 *
 * @throws SaddleError DATA if a file cannot be used, or the two differ in n.
 */
export async function readNpy(inputs: DataFile, labels: DataFile): Promise<Examples> {
  const points = await readNpyPoints(inputs)
  const { count } = points
  const classes = parseNpy(await readBytes(labels), labels.name)
  if (classes.shape.length !== 1) throw wrongRank(labels.name, 'labels', '[n]', classes.shape)
  assertSameCount(
    { origin: inputs.name, count },
    { origin: labels.name, count: classes.values.length },
  )
  const names = classNames(classes.values, labels.name)
  return { ...points, labels: names }
}

/** Points without labels from an NPY file [n, …]. @throws SaddleError DATA if it cannot be used. */
export async function readNpyPoints(file: DataFile): Promise<Unlabelled> {
  const { shape: whole, values } = parseNpy(await readBytes(file), file.name)
  const [count = 0, ...shape] = whole
  if (shape.length === 0) throw wrongRank(file.name, 'inputs', '[n, d] or [n, …]', whole)
  return { origin: file.name, count, shape, values, scale: 1 }
}

function wrongRank(file: string, what: string, expected: string, shape: readonly number[]) {
  return new SaddleError(
    'DATA',
    `${file}: expected ${what} of shape ${expected}, got [${shape.join(', ')}]. Reshape the array, or exchange the two files.`,
    { file, shape },
  )
}
