import { SaddleError, type SetSpec } from '@saddle/core'
import type { AttackOptions } from '../attack.js'
import type { AttackSpec } from '../from-spec.js'

/** Adversarial points that a user knows: a row of d numbers an example, null where none is known. */
export type StartingPoints = readonly (ArrayLike<number> | null)[]

/** The attacks that begin at an adversarial point. */
const BEGIN_THERE: readonly AttackSpec['kind'][] = [
  'boundary',
  'hop-skip-jump',
  'nes-partial',
  'nes-label-only',
]

/** Does the attack, or one that it is made of, begin at an adversarial point? */
export function takesStartingPoints(spec: AttackSpec): boolean {
  if ('attacks' in spec) return spec.attacks.some(takesStartingPoints)
  if ('attack' in spec) return takesStartingPoints(spec.attack)
  return BEGIN_THERE.includes(spec.kind)
}

/** The options as a member of an ensemble takes them: without starting points if it begins at none. */
export function optionsFor(spec: AttackSpec, options: AttackOptions): AttackOptions {
  if (options.startingPoints === undefined || takesStartingPoints(spec)) return options
  const { startingPoints: _, ...rest } = options
  return rest
}

/**
 * Whether points are adversarial is asked in the search. What they are is checked before it.
 *
 * @param name of the points, for errors.
 * @throws SaddleError CONFIG if the attack begins at no such point; SHAPE unless there is a row of d numbers, or null,
 * an example; RANGE if a number is not finite or outside the set's box.
 */
export function checkStartingPoints(
  spec: AttackSpec,
  kind: SetSpec['kind'],
  [n, d]: readonly [n: number, d: number],
  points: StartingPoints | undefined,
  name = 'startingPoints',
): void {
  if (points === undefined) return
  if (!takesStartingPoints(spec))
    throw new SaddleError(
      'CONFIG',
      `Attack "${spec.kind}" does not begin at an adversarial point, but startingPoints were given. Leave them out, or ` +
        `take one of ${BEGIN_THERE.join(', ')}.`,
      { attack: spec.kind },
    )
  if (points.length !== n)
    throw new SaddleError(
      'SHAPE',
      `${name}: expected a row an example, ${n} in all, got ${points.length}. Give null for an example without one.`,
      { expected: n, got: points.length },
    )
  const [lo, hi] = kind.startsWith('box-l') ? [0, 1] : [-FINITE, FINITE]
  points.forEach((row, example) => {
    if (row === null) return
    if (row.length !== d)
      throw new SaddleError(
        'SHAPE',
        `${name}: expected ${d} numbers an example, as the inputs have, got ${row.length} in row ${example}. ` +
          'Flatten images.',
        { row: example, expected: d, got: row.length },
      )
    for (let j = 0; j < d; j++) {
      const v = Math.fround(row[j]!)
      if (v >= lo && v <= hi) continue
      throw new SaddleError(
        'RANGE',
        `${name}: expected ${lo === 0 ? 'numbers in [0, 1], the box of the set' : 'finite numbers'}, got ${row[j]} at ` +
          `coordinate ${j} of row ${example}. Give points in the units of the inputs, and null where none is known.`,
        { row: example, coordinate: j, value: row[j] },
      )
    }
  })
}

/** The largest float32. */
const FINITE = 3.4028234663852886e38
