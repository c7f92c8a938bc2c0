import { type Criterion, lossAbove, misclassification, targeted } from '@saddle/attacks'
import { type Loss, SaddleError } from '@saddle/core'

/** What counts as a success, as plain JSON. */
export type CriterionSpec =
  | { readonly kind: 'misclassification' }
  /** `next`: label + 1, the other sign of ±1; `least-likely`: of the clean outputs; or one class for all. */
  | { readonly kind: 'targeted'; readonly target: 'next' | 'least-likely' | number }
  | { readonly kind: 'loss-above'; readonly threshold: number }

/**
 * `misclassification`, `targeted:next`, `targeted:least-likely`, `targeted:3`, `loss-above:0.5`.
 *
 * @throws SaddleError CONFIG that lists these.
 */
export function parseCriterion(text: string): CriterionSpec {
  const [kind, value, ...rest] = text.split(':')
  if (kind === 'misclassification' && value === undefined) return { kind }
  if (kind === 'targeted' && rest.length === 0) {
    if (value === 'next' || value === 'least-likely') return { kind, target: value }
    if (value !== undefined && /^-?\d+$/.test(value)) return { kind, target: Number(value) }
  }
  const threshold = Number(value)
  if (kind === 'loss-above' && rest.length === 0 && value?.trim() && Number.isFinite(threshold))
    return { kind, threshold }
  throw new SaddleError(
    'CONFIG',
    `Unknown criterion "${text}"; expected misclassification, targeted:next, targeted:least-likely, targeted:CLASS or ` +
      'loss-above:NUMBER.',
    { criterion: text },
  )
}

/** The criterion of some examples; `targets` are theirs. */
export function criterionFrom(spec: CriterionSpec, loss: Loss, targets: Float32Array): Criterion {
  switch (spec.kind) {
    case 'misclassification':
      return misclassification
    case 'targeted':
      return targeted(targets)
    case 'loss-above':
      return lossAbove(loss, spec.threshold)
  }
}

/** @throws SaddleError CONFIG if the criterion asks for a class that a model with so many outputs does not have. */
export function checkTarget(spec: CriterionSpec, outputs: number): void {
  if (spec.kind !== 'targeted' || typeof spec.target !== 'number') return
  const { target } = spec
  if (outputs === 1 ? Math.abs(target) === 1 : target >= 0 && target < outputs) return
  throw new SaddleError(
    'CONFIG',
    `Criterion targeted:${target}: expected ${outputs === 1 ? '-1 or 1' : `a class from 0 to ${outputs - 1}`}, which ` +
      'the model can output.',
    { target, outputs },
  )
}

/** The label that each example should be given, ±1 where the model has one output. */
export function targetsFor(
  { target }: Extract<CriterionSpec, { kind: 'targeted' }>,
  labels: ArrayLike<number>,
  leastLikely: ArrayLike<number>,
  outputs: number,
): Float32Array {
  return Float32Array.from(labels, (label, i) => {
    if (typeof target === 'number') return target
    if (target === 'least-likely') return leastLikely[i]!
    return outputs === 1 ? -label : (label + 1) % outputs
  })
}
