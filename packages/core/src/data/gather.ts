import { SaddleError } from '../errors.js'
import { product, type Unlabelled } from './examples.js'
import { averagePool, poolableShape } from './pool.js'

/** Points of chosen examples, and what an error calls each of them. */
export interface Points {
  readonly origin: string
  /** [rows.length, dimension], row-major. */
  readonly inputs: Float32Array<SharedArrayBuffer>
  readonly dimension: number
  /** Index in the source of each point. */
  readonly rows: Int32Array
}

/**
 * Copies the examples `rows` into shared memory as float32 vectors, scaled and, where `pool` > 1, average-pooled.
 *
 * @throws SaddleError DATA at a value that is not a finite float32, naming example and coordinate (flat index into the
 * example as the source has it); CONFIG if the examples cannot be pooled.
 */
export function gather(examples: Unlabelled, rows: Int32Array, pool: number): Points {
  const { origin, shape, values, scale } = examples
  const size = product(shape)
  if (size === 0)
    throw new SaddleError(
      'DATA',
      `${origin}: expected examples of at least one number, got shape [${shape.join(', ')}].`,
      { shape },
    )
  const sides = pool > 1 ? poolableShape(origin, shape, pool) : null
  const dimension = size / (sides === null ? 1 : pool * pool)
  const inputs = shareFloats(rows.length * dimension)
  const example = new Float64Array(size)
  const pooled = new Float64Array(dimension)
  for (let i = 0; i < rows.length; i++) {
    const start = rows[i]! * size
    for (let j = 0; j < size; j++) {
      example[j] = values[start + j]! * scale
      if (!Number.isFinite(Math.fround(example[j]!))) throw notFinite(examples, rows[i]!, j)
    }
    if (sides !== null) averagePool(example, sides, pool, pooled)
    inputs.set(sides === null ? example : pooled, i * dimension)
  }
  return { origin, inputs, dimension, rows }
}

export function shareFloats(length: number): Float32Array<SharedArrayBuffer> {
  return new Float32Array(new SharedArrayBuffer(4 * length))
}

function notFinite(examples: Unlabelled, example: number, coordinate: number): SaddleError {
  const value = examples.values[example * product(examples.shape) + coordinate]!
  return new SaddleError(
    'DATA',
    `${examples.origin}: coordinate ${coordinate} of example ${example} is ${value}; expected a finite 32-bit float. Remove the example or replace the value.`,
    { example, coordinate, value },
  )
}
