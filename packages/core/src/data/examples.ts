import { SaddleError } from '../errors.js'
import type { Numbers } from './elements.js'

/** Points as a file or a generator gives them: anywhere in space. */
export interface Unlabelled {
  /** What errors call them: the path of their file, or the name of their generator. */
  readonly origin: string
  readonly count: number
  /** Shape of one example: [d], or [height, width] of an image. */
  readonly shape: readonly number[]
  /** [count, ...shape], row-major. */
  readonly values: Numbers
  /** What values are to be multiplied by: 1/255 for the bytes of pixels, otherwise 1. */
  readonly scale: number
}

/** Examples as a file or a generator gives them, before classes are chosen. */
export interface Examples extends Unlabelled {
  /** [count] class names; whole numbers in decimal. */
  readonly labels: readonly string[]
}

/** Training and test examples of one source. */
export interface Source {
  readonly train: Examples
  readonly test: Examples | null
}

/** Class names of numeric labels. Throws DATA, naming file and example, at one that is not a whole number. */
export function classNames(values: ArrayLike<number>, origin: string): string[] {
  return Array.from(values, (value, i) => {
    if (Number.isInteger(value)) return String(value)
    throw new SaddleError(
      'DATA',
      `${origin}: the label of example ${i} is ${value}; expected a whole number that names a class. Saddle trains classifiers: turn real-valued targets into classes first.`,
      { file: origin, example: i, label: value },
    )
  })
}

/** Throws DATA unless there are as many inputs as labels. */
export function assertSameCount(
  inputs: { readonly origin: string; readonly count: number },
  labels: { readonly origin: string; readonly count: number },
): void {
  if (inputs.count === labels.count) return
  throw new SaddleError(
    'DATA',
    `${inputs.origin} has ${inputs.count} examples, but ${labels.origin} has ${labels.count} labels; expected as many of one as of the other. Check that the two files belong together.`,
    { inputs: inputs.count, labels: labels.count },
  )
}

export function product(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a * b, 1)
}
