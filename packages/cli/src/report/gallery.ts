import type { Gallery } from '@saddle/distributed'
import { encode } from 'fast-png'
import { plain } from '../format.js'

const CELL = 92
const GAP = 10
const LEFT = 136
const TOP = 74
const CAPTION = 22
const BAND_GAP = 18
/** Examples side by side; more go into further bands. */
const COLUMNS = 8
const INK = '#222222'
const FAINT = '#666666'
const WRONG = '#d55e00'
const FONT = 'Helvetica, Arial, DejaVu Sans, sans-serif'

/**
 * One SVG of all examples: the original with its label, the perturbation times a scale that is printed (grey is 0), and
 * the adversarial image with its prediction, in colour where the attack succeeded. Images are PNGs inside the SVG.
 */
export function drawGallery(gallery: Gallery): string {
  const { items, height, width, model, set, radius, attacks } = gallery
  const cellHeight = Math.round((CELL * height) / width)
  const rows = 3
  const band = rows * cellHeight + (rows - 1) * GAP + 2 * CAPTION + BAND_GAP
  const bands = Math.ceil(items.length / COLUMNS)
  const columns = Math.min(COLUMNS, items.length)
  const total = {
    width: Math.max(560, LEFT + columns * (CELL + GAP) + 16),
    height: TOP + bands * band,
  }
  const range = rangeOf(gallery)
  const scale = scaleOf(gallery)
  const drawn = items.flatMap((item, k) => {
    const x = LEFT + (k % COLUMNS) * (CELL + GAP)
    const top = TOP + Math.floor(k / COLUMNS) * band
    const y = (row: number) => top + CAPTION + row * (cellHeight + GAP)
    const place = (row: number, pixels: Uint8Array) =>
      `<image x="${x}" y="${y(row)}" width="${CELL}" height="${cellHeight}" ` +
      `style="image-rendering:pixelated" preserveAspectRatio="none" href="data:image/png;base64,${png(gallery, pixels)}"/>`
    const change = item.adversarial.map((value, j) => value - item.original[j]!)
    const middle = x + CELL / 2
    const wrong = item.prediction !== item.label
    return [
      text(middle, top + 15, `${item.label}${wrong ? ` read as ${item.prediction}` : ''}`, {
        anchor: 'middle',
        colour: wrong ? WRONG : INK,
      }),
      place(
        0,
        bytesOf(item.original, v => (v - range.low) / (range.high - range.low)),
      ),
      place(
        1,
        bytesOf(change, v => 0.5 + 0.5 * scale * v),
      ),
      place(
        2,
        bytesOf(item.adversarial, v => (v - range.low) / (range.high - range.low)),
      ),
      text(middle, y(2) + cellHeight + 16, `read as ${item.adversarialPrediction}`, {
        anchor: 'middle',
        colour: item.success ? WRONG : INK,
      }),
    ]
  })
  const names = Array.from({ length: bands }, (_, b) => {
    const y = (row: number) => TOP + b * band + CAPTION + row * (cellHeight + GAP) + cellHeight / 2
    return [
      text(LEFT - 12, y(0), 'original', { anchor: 'end' }),
      text(LEFT - 12, y(1) - 8, 'perturbation', { anchor: 'end' }),
      text(LEFT - 12, y(1) + 9, `× ${plain(scale / 2)}, grey is 0`, {
        anchor: 'end',
        colour: FAINT,
      }),
      text(LEFT - 12, y(2), 'adversarial', { anchor: 'end' }),
    ]
  }).flat()
  const fallen = items.filter(item => item.success).length
  return [
    `<svg width="${total.width}" height="${total.height}" viewBox="0 0 ${total.width} ${total.height}" xmlns="http://www.w3.org/2000/svg" font-family="${FONT}">`,
    `<rect width="${total.width}" height="${total.height}" fill="#ffffff"/>`,
    text(
      16,
      28,
      `${attacks.join(', ')} in ${set} of radius ${plain(radius)}: ${fallen} of ${items.length} fall`,
      {
        size: 17,
        bold: true,
      },
    ),
    text(16, 50, model, { colour: FAINT, size: 12 }),
    ...names,
    ...drawn,
    '</svg>',
    '',
  ].join('\n')
}

/** What black and white stand for: 0 and 1 where all values lie between, else the least and the greatest. */
function rangeOf({ items }: Gallery): { readonly low: number; readonly high: number } {
  let [low, high] = [0, 1]
  for (const { original, adversarial } of items)
    for (const image of [original, adversarial])
      for (const value of image) {
        low = Math.min(low, value)
        high = Math.max(high, value)
      }
  return { low, high }
}

/** 1 over the largest change of any pixel, so that the largest is white or black; 1 if nothing was changed. */
function scaleOf({ items }: Gallery): number {
  let largest = 0
  for (const { original, adversarial } of items)
    for (let j = 0; j < original.length; j++)
      largest = Math.max(largest, Math.abs(adversarial[j]! - original[j]!))
  return largest === 0 ? 1 : 1 / largest
}

function bytesOf(values: Float32Array, share: (value: number) => number): Uint8Array {
  return Uint8Array.from(values, value => Math.round(255 * Math.min(1, Math.max(0, share(value)))))
}

function png({ width, height, channels }: Gallery, data: Uint8Array): string {
  return Buffer.from(encode({ width, height, channels, depth: 8, data })).toString('base64')
}

function text(
  x: number,
  y: number,
  content: string,
  {
    anchor = 'start',
    colour = INK,
    size = 13,
    bold = false,
  }: { anchor?: string; colour?: string; size?: number; bold?: boolean } = {},
): string {
  const weight = bold ? ' font-weight="600"' : ''
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${colour}" font-size="${size}"${weight}>${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
