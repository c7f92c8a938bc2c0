import type { Stream } from '@saddle/core'
import { type Example, inBox } from '../search/example.js'
import type { Norm } from '../search/norm.js'
import { difference, plus, type Row, scaled } from '../search/rows.js'
import { eachPixel, type ImageShape, placeWindow, type Window } from './image.js'
import type { SquareMoves } from './square.js'

/**
 * The moves of the Square attack for l2 (Algorithm 3) and for l1 (AutoAttack's code), δ the radius, ‖·‖ the norm. η is
 * a pattern on an s × s window of norm 1: two halves of opposite sign, each a sum of nested rectangles of height 1/k²,
 * 1/k⁴ for l1, turned by 90° half of the time.
 *
 *   first   a grid of windows of a fifth of the height, each η with a random sign a plane
 *   next    two windows W₁, W₂ at random places: what was in W₂ is taken away, and in W₁ stands, plane by plane, the
 *           unit vector along ν/‖ν‖ ± η, ν what was there, times
 *             l2   √(norm² in W₁ ∪ W₂ + (δ² − norm²)/channels)
 *             l1   channels · (norm in W₁ ∪ W₂ of the plane + (δ − norm)/channels)
 *
 * l2: scaled to norm δ and clipped to the box. l1: to be projected onto B(x_0). Windows have an odd side of at least 3,
 * as far as they fit.
 */
export function squaresByWindows(example: Example, shape: ImageShape, stream: Stream): SquareMoves {
  const { centre, norm, radius } = example
  const { channels, height, width } = shape
  const isL1 = norm.name === 'l1'
  const sign = () => (stream.uniform() < 0.5 ? -1 : 1)
  const pointAt = (offset: Row) => {
    const length = norm.of(offset)
    if (isL1) return Float32Array.from(plus(centre, 1, offset))
    return inBox(example, plus(centre, length > 0 ? (INSIDE * radius) / length : 0, offset))
  }
  const lengthIn = (offset: Row, windows: readonly Window[], channel: number) => {
    const used = norm.of(offset)
    if (isL1) {
      const freed = norm.of(inWindows(offset, shape, windows, [channel]))
      return channels * (freed + Math.max(radius - used, 0) / channels)
    }
    const freed = norm.of(inWindows(offset, shape, windows, planes))
    return Math.sqrt(freed ** 2 + Math.max(radius ** 2 - used ** 2, 0) / channels)
  }
  const planes = Array.from({ length: channels }, (_, channel) => channel)
  return {
    first() {
      const offset = new Float64Array(centre.length)
      const tile = {
        height: Math.max(1, Math.floor(height / 5)),
        width: Math.max(1, Math.floor(width / 5)),
      }
      for (let top = (height % tile.height) >> 1; top + tile.height <= height; top += tile.height)
        for (let left = (width % tile.width) >> 1; left + tile.width <= width; left += tile.width) {
          const eta = pattern(norm, tile, stream.uniform() < 0.5)
          for (const channel of planes) {
            const s = sign()
            eachPixel(shape, channel, { ...tile, top, left }, (j, row, column) => {
              offset[j] = s * eta[row * tile.width + column]!
            })
          }
        }
      return pointAt(offset)
    },
    next(best, share) {
      const offset = difference(best, centre)
      const size = oddSquare(share, shape)
      const [to, from] = [placeWindow(stream, shape, size), placeWindow(stream, shape, size)]
      const eta = pattern(norm, size, stream.uniform() < 0.5)
      const fresh = planes.map(channel => {
        const length = lengthIn(offset, [to, from], channel)
        return along(norm, planeOf(offset, shape, channel, to), scaled(sign(), eta), length)
      })
      for (const channel of planes)
        eachPixel(shape, channel, from, j => {
          offset[j] = 0
        })
      fresh.forEach((values, channel) => {
        eachPixel(shape, channel, to, (j, row, column) => {
          offset[j] = values[row * size.width + column]!
        })
      })
      return pointAt(offset)
    },
  }
}

/** length · (unit vector along ν/‖ν‖ + η). */
function along(norm: Norm, there: Row, eta: Row, length: number): Float64Array {
  const direction = plus(eta, 1 / (LEAST + norm.of(there)), there)
  return scaled(length / (LEAST + norm.of(direction)), direction)
}

/** What stands in a window of one plane, row by row. */
function planeOf(offset: Row, shape: ImageShape, channel: number, window: Window): Float64Array {
  const there = new Float64Array(window.height * window.width)
  eachPixel(shape, channel, window, (j, row, column) => {
    there[row * window.width + column] = offset[j]!
  })
  return there
}

/** Float32 rounds a point of the border to either side of it: what is found stays in B(x_0) by this. */
const INSIDE = 1 - 1e-6

/** Keeps quotients of windows that hold nothing finite, as in the reference code. */
const LEAST = 1e-12

/** The offset in the windows of some planes, each pixel once, 0 elsewhere. */
function inWindows(
  offset: Row,
  shape: ImageShape,
  windows: readonly Window[],
  planes: readonly number[],
): Float64Array {
  const inside = new Float64Array(offset.length)
  for (const channel of planes)
    for (const window of windows)
      eachPixel(shape, channel, window, j => {
        inside[j] = offset[j]!
      })
  return inside
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
  norm: Norm,
  { height, width }: { readonly height: number; readonly width: number },
  turned: boolean,
): Float64Array {
  const [h, w] = turned ? [width, height] : [height, width]
  const upper = nested(norm, h >> 1, w)
  const lower = nested(norm, h - (h >> 1), w)
  const eta = new Float64Array(h * w)
  eta.set(upper, 0)
  eta.set(scaled(-1, lower), upper.length)
  const unit = scaled(1 / norm.of(eta), eta)
  if (!turned) return unit
  return Float64Array.from(unit.keys(), at => unit[(at % width) * w + Math.floor(at / width)]!)
}

/** Nested rectangles around the middle of h × w, the k-th one (k = 1, 2, …) adding 1/k² or 1/k⁴; norm 1, or empty. */
function nested(norm: Norm, h: number, w: number): Float64Array {
  const delta = new Float64Array(h * w)
  if (delta.length === 0) return delta
  const power = norm.name === 'l1' ? 4 : 2
  const [middle, centre] = [h >> 1, w >> 1]
  for (let k = 0; k < Math.max(middle, centre) + 1; k++)
    for (let row = Math.max(middle - k, 0); row < Math.min(middle + k + 1, h); row++)
      for (let column = Math.max(centre - k, 0); column < Math.min(centre + k + 1, w); column++)
        delta[row * w + column]! += 1 / (k + 1) ** power
  return scaled(1 / norm.of(delta), delta)
}
