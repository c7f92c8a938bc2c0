import { SaddleError } from '../errors.js'

/**
 * Average pooling: out[i, j] = mean of image[f i + a, f j + b] over 0 ≤ a, b < f.
 *
 * `image` is height × width, row-major; `out` has room for (height/f) × (width/f). O(height · width).
 */
export function averagePool(
  image: Float64Array,
  [height, width]: readonly [number, number],
  factor: number,
  out: Float64Array,
): void {
  const columns = width / factor
  out.fill(0)
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++)
      out[Math.floor(i / factor) * columns + Math.floor(j / factor)]! += image[i * width + j]!
  const area = factor * factor
  for (let k = 0; k < out.length; k++) out[k]! /= area
}

/** Throws CONFIG unless examples of this shape are images that `factor` divides; else gives height and width. */
export function poolableShape(
  origin: string,
  shape: readonly number[],
  factor: number,
): readonly [number, number] {
  const [height, width] = shape
  if (shape.length === 2 && height! % factor === 0 && width! % factor === 0)
    return [height!, width!]
  throw new SaddleError(
    'CONFIG',
    `data.pool is ${factor}, but an example of ${origin} has shape [${shape.join(', ')}]; expected images [height, width] whose sides ${factor} divides. Set data.pool to 1, or to a common divisor of the sides.`,
    { pool: factor, shape },
  )
}
