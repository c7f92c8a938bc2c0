import type { Stream } from '@saddle/core'
import { SaddleError } from '@saddle/core'

/** How the coordinates of an example are laid out: `channels` planes of height × width pixels, plane after plane. */
export interface ImageShape {
  readonly channels: number
  readonly height: number
  readonly width: number
}

/**
 * The shape of an example of d coordinates, where none is named: a square image (784: 28 × 28), three square planes
 * (3072: 3 × 32 × 32), else a line of d pixels.
 *
 * @throws SaddleError CONFIG if the named shape has another number of coordinates.
 */
export function shapeOf(d: number, named?: ImageShape): ImageShape {
  if (named !== undefined) {
    const { channels, height, width } = named
    if (channels * height * width === d) return named
    throw new SaddleError(
      'CONFIG',
      `Images of ${channels} × ${height} × ${width} have ${channels * height * width} coordinates, the examples ${d}. ` +
        'Name the shape as channels, height and width, or leave it out.',
      { channels, height, width, dimension: d },
    )
  }
  for (const channels of [1, 3]) {
    const side = Math.round(Math.sqrt(d / channels))
    if (side > 1 && channels * side * side === d) return { channels, height: side, width: side }
  }
  return { channels: 1, height: 1, width: d }
}

/** A rectangle of pixels. */
export interface Window {
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
}

/** A window of the size at a place uniform among all that fit. */
export function placeWindow(
  stream: Stream,
  shape: ImageShape,
  { height, width }: { readonly height: number; readonly width: number },
): Window {
  return {
    height,
    width,
    top: Math.floor(stream.uniform() * (shape.height - height + 1)),
    left: Math.floor(stream.uniform() * (shape.width - width + 1)),
  }
}

/** Calls `visit` with the coordinates of a window in one plane, row by row. */
export function eachPixel(
  shape: ImageShape,
  channel: number,
  { top, left, height, width }: Window,
  visit: (coordinate: number, row: number, column: number) => void,
): void {
  for (let row = 0; row < height; row++) {
    const first = (channel * shape.height + top + row) * shape.width + left
    for (let column = 0; column < width; column++) visit(first + column, row, column)
  }
}
