import { openStream, SaddleError, type SetSpec } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attack, AttackKey } from '../attack.js'
import type { Reveal } from '../black-box/reveal.js'
import { misclassification } from '../criteria/misclassification.js'
import { attackOf } from '../finish.js'
import type { View } from '../view.js'
import type { Search } from './ask.js'
import { type Access, converse } from './converse.js'
import type { Example } from './example.js'
import { l1, l2, linf, type Norm } from './norm.js'
import { joined, rowOf } from './rows.js'
import type { StartingPoints } from './starting-points.js'

export interface SearchNeeds {
  readonly access: Access
  /** What the attack sees of the outputs at a row, where that is not all. */
  readonly reveal?: Reveal
  /** Kinds of sets that the attack can search; all of them if left out. */
  readonly sets?: readonly SetSpec['kind'][]
  /** True if it only works on predictions: for the criteria `misclassification` and `targeted`. */
  readonly predictions: boolean
}

/** Balls of one norm, with the box [0, 1]^d and without. */
export const BALLS = {
  l1: ['l1', 'box-l1'],
  l2: ['l2', 'box-l2'],
  linf: ['linf', 'box-linf'],
} as const

/** All sets but the balls in the chart of the lift, where points outside the unit ball mean nothing. */
export const WITHOUT_CHART: readonly SetSpec['kind'][] = [
  ...BALLS.l1,
  ...BALLS.l2,
  ...BALLS.linf,
  'cap',
  'box-sphere',
]

/** The attack that searches example by example in this way. */
export function attackBySearch(
  head: Pick<Attack, 'spec' | 'passes' | 'aim'>,
  needs: SearchNeeds,
  search: (example: Example) => Search<Float32Array>,
): Attack {
  return attackOf(head, (view, model, { key, startingPoints, signal, onProgress }) => {
    checkNeeds(head.spec.kind, needs, view)
    const examples = examplesOf(view, model.outputs, key, startingPoints)
    const { found, queries, gradientSteps } = converse(view, examples.map(search), needs, {
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    return { raw: tf.tensor2d(joined(found), view.centres.shape), queries, gradientSteps }
  })
}

/** The examples of a batch. */
function examplesOf(
  view: View,
  outputs: number,
  key: AttackKey,
  startingPoints: StartingPoints | undefined,
): Example[] {
  const { set, targets } = view
  const [n, d] = view.centres.shape
  const centres = view.centres.dataSync<'float32'>()
  const labels = view.labels.dataSync()
  const place = (label: number) => (outputs === 1 ? Number(label > 0) : label)
  const inUnitBox = set.spec.kind.startsWith('box-l')
  const { seed, purpose, step } = key
  return Array.from({ length: n }, (_, i) => ({
    centre: rowOf(centres, i, d).slice(),
    start: startOf(startingPoints?.[i]),
    label: place(labels[i]!),
    target: targets === null ? null : place(targets[i]!),
    classes: Math.max(outputs, 2),
    outputs,
    norm: normOf(set.spec.kind),
    radius: set.radius,
    lo: inUnitBox ? 0 : Number.NEGATIVE_INFINITY,
    hi: inUnitBox ? 1 : Number.POSITIVE_INFINITY,
    stream: restart => openStream({ seed, purpose, step, example: key.examples[i]!, restart }),
  }))
}

function startOf(row: StartingPoints[number] | undefined): Float32Array | null {
  return row ? Float32Array.from(row) : null
}

function normOf(kind: SetSpec['kind']): Norm {
  if (kind.endsWith('l1')) return l1
  return kind.endsWith('linf') || kind === 'box-sphere' ? linf : l2
}

function checkNeeds(name: string, needs: SearchNeeds, { set, criterion }: View): void {
  const { kind } = set.spec
  if (needs.sets !== undefined && !needs.sets.includes(kind))
    throw new SaddleError(
      'CONFIG',
      `Attack "${name}" searches the perturbation sets ${needs.sets.join(', ')}, got "${kind}". Take one of these, ` +
        'or an attack for any set, such as "pgd" or a bisection of it.',
      { attack: name, set: kind },
    )
  if (needs.predictions && criterion.targets === null && criterion !== misclassification)
    throw new SaddleError(
      'CONFIG',
      `Attack "${name}" changes predictions, so it takes the criteria misclassification and targeted, got ` +
        `"${criterion.name}". For a threshold of the loss take "pgd", a bisection of it, "boundary" or "hop-skip-jump".`,
      { attack: name, criterion: criterion.name },
    )
}
