import type { Stream } from '@saddle/core'
import { type Example, inBox } from '../search/example.js'
import { difference, norm2, plus, type Row, scaled } from '../search/rows.js'
import { eachPixel, type ImageShape, placeWindow, type Window } from './image.js'
import type { SquareMoves } from './square.js'

/**
 * The moves of the Square attack for l2 (Algorithm 3), δ the radius. η is a pattern on an s × s window of norm 1: two
 * halves of opposite sign, each a sum of nested rectangles of height 1/k², turned by 90° half of the time.
 *
 *   first   a grid of windows of a fifth of the height, each η with a random sign a plane, scaled to norm δ
 *   next    two windows W₁, W₂ at random places: the norm in W₂ is taken away, and in W₁ stands
 *             the unit vector along ν/‖ν‖ ± η, ν what was there, times √(norm² in W₁ ∪ W₂ + (δ² − norm²)/channels)
 *
 * scaled to norm δ and clipped to the box. Windows have an odd side of at least 3, as far as they fit.
 */
export function squaresL2(example: Example, shape: ImageShape, stream: Stream): SquareMoves {
  const { centre, radius } = example
  const { channels, height, width } = shape
  const sign = () => (stream.uniform() < 0.5 ? -1 : 1)
  const onBorder = (offset: Row) => {
    const length = norm2(offset)
    return inBox(example, plus(centre, length > 0 ? (INSIDE * radius) / length : 0, offset))
  }
  return {
    first() {
      const offset = new Float64Array(centre.length)
      const tile = {
        height: Math.max(1, Math.floor(height / 5)),
        width: Math.max(1, Math.floor(width / 5)),
      }
      for (let top = (height % tile.height) >> 1; top + tile.height <= height; top += tile.height)
        for (let left = (width % tile.width) >> 1; left + tile.width <= width; left += tile.width) {
          const eta = pattern(tile, stream.uniform() < 0.5)
          for (let channel = 0; channel < channels; channel++) {
            const s = sign()
            eachPixel(shape, channel, { ...tile, top, left }, (j, row, column) => {
              offset[j] = s * eta[row * tile.width + column]!
            })
          }
        }
      return onBorder(offset)
    },
    next(best, share) {
      const offset = difference(best, centre)
      const size = oddSquare(share, shape)
      const [to, from] = [placeWindow(stream, shape, size), placeWindow(stream, shape, size)]
      const unused = Math.max(radius ** 2 - norm2(offset) ** 2, 0)
      const freed = squareIn(offset, shape, [to, from])
      const length = Math.sqrt(unused / channels + freed)
      const eta = pattern(size, stream.uniform() < 0.5)
      const fresh = Array.from({ length: channels }, (_, channel) =>
        along(offset, shape, channel, to, scaled(sign(), eta), length),
      )
      for (let channel = 0; channel < channels; channel++)
        eachPixel(shape, channel, from, j => (offset[j] = 0))
      fresh.forEach((values, channel) => {
        eachPixel(shape, channel, to, (j, row, column) => {
          offset[j] = values[row * size.width + column]!
        })
      })
      return onBorder(offset)
    },
  }
}

/** length · (unit vector along ν/‖ν‖ + η) on a window of one plane. */
function along(
  offset: Row,
  shape: ImageShape,
  channel: number,
  window: Window,
  eta: Float64Array,
  length: number,
): Float64Array {
  const there = new Float64Array(eta.length)
  eachPixel(shape, channel, window, (j, row, column) => {
    there[row * window.width + column] = offset[j]!
  })
  const direction = plus(eta, 1 / (LEAST + norm2(there)), there)
  return scaled(length / (LEAST + norm2(direction)), direction)
}

/** Float32 rounds a point of the border to either side of it: what is found stays in B(x_0) by this. */
const INSIDE = 1 - 1e-6

/** Keeps quotients of windows that hold nothing finite, as in the reference code. */
const LEAST = 1e-12

/** Σ over both windows, each pixel once, and all planes of offset². */
function squareIn(offset: Row, shape: ImageShape, windows: readonly Window[]): number {
  const inside = new Set<number>()
  for (let channel = 0; channel < shape.channels; channel++)
    for (const window of windows) eachPixel(shape, channel, window, j => inside.add(j))
  let sum = 0
  for (const j of inside) sum += offset[j]! ** 2
  return sum
}

function oddSquare(
  share: number,
  { height, width }: ImageShape,
): { height: number; width: number } {
  const side = Math.max(Math.round(Math.sqrt(share * height * width)), 3)
  const odd = side % 2 === 0 ? side + 1 : side
  return { height: Math.min(odd, height), width: Math.min(odd, width) }
}

/** η: [height · width] of norm 1; `turned`, its halves lie side by side and not one above the other. */
function pattern(
  { height, width }: { height: number; width: number },
  turned: boolean,
): Float64Array {
  const [h, w] = turned ? [width, height] : [height, width]
  const upper = nested(h >> 1, w)
  const lower = nested(h - (h >> 1), w)
  const eta = new Float64Array(h * w)
  eta.set(upper, 0)
  eta.set(scaled(-1, lower), upper.length)
  const unit = scaled(1 / norm2(eta), eta)
  if (!turned) return unit
  return Float64Array.from(unit.keys(), at => unit[(at % width) * w + Math.floor(at / width)]!)
}

/** Nested rectangles around the middle of h × w, the k-th one (k = 1, 2, …) adding 1/k²; norm 1, or empty. */
function nested(h: number, w: number): Float64Array {
  const delta = new Float64Array(h * w)
  if (delta.length === 0) return delta
  const [middle, centre] = [h >> 1, w >> 1]
  for (let k = 0; k < Math.max(middle, centre) + 1; k++)
    for (let row = Math.max(middle - k, 0); row < Math.min(middle + k + 1, h); row++)
      for (let column = Math.max(centre - k, 0); column < Math.min(centre + k + 1, w); column++)
        delta[row * w + column]! += 1 / (k + 1) ** 2
  return scaled(1 / norm2(delta), delta)
}
