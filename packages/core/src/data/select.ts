import { SaddleError } from '../errors.js'
import type { DataSpec } from './dataset.js'
import type { Examples } from './examples.js'

/** Chosen examples: their indices in the source, and the label of each. */
export interface Selection {
  readonly rows: Int32Array
  /** ±1 for `scalar`, else 0..c − 1. */
  readonly labels: Float32Array
}

/**
 * The classes of a run in label order: those asked for, or all of the training part, numbers ascending before names.
 *
 * @throws SaddleError CONFIG if a class is not in the data or named twice, there are fewer than two, or labels are to
 * be scalar and there are not exactly two.
 */
export function chooseClasses(
  train: Examples,
  wanted: DataSpec['classes'],
  labels: DataSpec['labels'],
): string[] {
  const present = [...new Set(train.labels)].sort(numbersFirst)
  const classes = wanted === null ? present : wanted.map(String)
  const unknown = classes.find(name => !present.includes(name))
  if (unknown !== undefined)
    throw new SaddleError(
      'CONFIG',
      `data.classes asks for class "${unknown}", but ${train.origin} has only the classes ${list(present)}. Choose among these.`,
      { unknown, present },
    )
  if (new Set(classes).size !== classes.length)
    throw new SaddleError(
      'CONFIG',
      `data.classes names a class twice: ${list(classes)}. Name each class once.`,
      { classes },
    )
  if (classes.length < 2 || (labels === 'scalar' && classes.length !== 2))
    throw new SaddleError(
      'CONFIG',
      `Expected ${labels === 'scalar' ? 'exactly two classes, which scalar labels turn into -1 and +1' : 'at least two classes'}, got ${classes.length} from ${train.origin}: ${list(classes)}. Set data.classes to two of them, or data.labels to classes.`,
      { classes },
    )
  return classes
}

/**
 * The examples of `classes`. With `count` null all of them, in file order; else the first ⌊count/c⌋ or ⌈count/c⌉ of
 * each class, earlier classes taking what does not divide, one class after the other in turn: every prefix is balanced.
 *
 * @param others what to do with examples of other classes: leave them out, or take them for damage
 * @throws SaddleError CONFIG if a class has too few examples; DATA if none is left or `others` is `refuse` and there are.
 */
export function select(
  examples: Examples,
  classes: readonly string[],
  labels: DataSpec['labels'],
  count: number | null,
  others: 'drop' | 'refuse',
): Selection {
  const labelOf = new Map(classes.map((name, k) => [name, k]))
  const members: number[][] = classes.map(() => [])
  const kept: number[] = []
  for (let i = 0; i < examples.count; i++) {
    const k = labelOf.get(examples.labels[i]!)
    if (k === undefined) {
      if (others === 'refuse') throw unknownLabel(examples, i, classes)
      continue
    }
    members[k]!.push(i)
    kept.push(i)
  }
  if (kept.length === 0)
    throw new SaddleError(
      'DATA',
      `${examples.origin} has no example of the classes ${list(classes)}; it has ${examples.count} examples in all.`,
      { classes },
    )
  const rows = Int32Array.from(count === null ? kept : inTurn(examples, classes, members, count))
  const value = (k: number) => (labels === 'scalar' ? 2 * k - 1 : k)
  return {
    rows,
    labels: Float32Array.from(rows, row => value(labelOf.get(examples.labels[row]!)!)),
  }
}

function inTurn(
  examples: Examples,
  classes: readonly string[],
  members: readonly number[][],
  count: number,
): number[] {
  const c = classes.length
  for (let k = 0; k < c; k++) {
    const needed = Math.floor(count / c) + (k < count % c ? 1 : 0)
    const available = members[k]!.length
    if (available < needed)
      throw new SaddleError(
        'CONFIG',
        `${count} examples of ${c} classes need ${needed} of class "${classes[k]}", but ${examples.origin} has only ${available} of it. Lower data.count or data.testCount, or set it to null to take all there are, balanced or not.`,
        { class: classes[k], needed, available },
      )
  }
  return Array.from({ length: count }, (_, i) => members[i % c]![Math.floor(i / c)]!)
}

function unknownLabel(examples: Examples, i: number, classes: readonly string[]): SaddleError {
  return new SaddleError(
    'DATA',
    `${examples.origin}: the label of example ${i} is "${examples.labels[i]}", which is not among the classes of the training part, ${list(classes)}. Correct it, or name the classes to keep in data.classes.`,
    { example: i, label: examples.labels[i], classes },
  )
}

function numbersFirst(a: string, b: string): number {
  const difference = Number(a) - Number(b)
  if (!Number.isNaN(difference)) return difference
  if (Number.isNaN(Number(a)) && Number.isNaN(Number(b))) return a < b ? -1 : 1
  return Number.isNaN(Number(a)) ? 1 : -1
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 20).join(', ')
  return names.length > 20 ? `${shown} and ${names.length - 20} more` : shown
}
