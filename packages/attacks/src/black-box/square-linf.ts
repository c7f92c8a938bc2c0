import type { Stream } from '@saddle/core'
import { type Example, inBox } from '../search/example.js'
import { clamp } from '../search/rows.js'
import { eachPixel, type ImageShape, placeWindow } from './image.js'
import type { SquareMoves } from './square.js'

/**
 * The moves of the Square attack for linf (Algorithm 2), δ the radius:
 *
 *   first   x_0 ± δ by vertical stripes, a random sign for every column of every plane
 *   next    in a square of side s = round(√(share · height · width)) at a random place, x_0 ± δ with one random sign
 *           a plane
 *
 * clipped to the box. On an image too low or narrow for the square the rectangle of the same area is taken.
 */
export function squaresLinf(example: Example, shape: ImageShape, stream: Stream): SquareMoves {
  const { centre, radius, lo, hi } = example
  const { channels, height, width } = shape
  const sign = () => (stream.uniform() < 0.5 ? -1 : 1)
  return {
    first() {
      const x = new Float32Array(centre)
      const column = { top: 0, height, width: 1 }
      for (let channel = 0; channel < channels; channel++)
        for (let left = 0; left < width; left++) {
          const step = sign() * radius
          eachPixel(shape, channel, { ...column, left }, j => (x[j] = centre[j]! + step))
        }
      return inBox(example, x)
    },
    next(best, share) {
      const x = best.slice()
      const window = placeWindow(stream, shape, squareOf(share, shape))
      for (let channel = 0; channel < channels; channel++) {
        const step = sign() * radius
        eachPixel(shape, channel, window, j => (x[j] = clamp(centre[j]! + step, lo, hi)))
      }
      return x
    },
  }
}

/** Height and width of the square that covers `share` of the pixels, at least 1. */
function squareOf(share: number, { height, width }: ImageShape): { height: number; width: number } {
  const area = share * height * width
  const shorter = Math.min(height, width)
  if (Math.sqrt(area) <= shorter) {
    const side = Math.max(Math.round(Math.sqrt(area)), 1)
    return { height: side, width: side }
  }
  const longer = Math.max(Math.round(area / shorter), 1)
  return height <= width ? { height, width: longer } : { height: longer, width }
}
