import type { Attack, Attackable } from '../attack.js'
import { attackOf } from '../finish.js'
import { type AttackLossName, objectiveOf } from '../losses/attack-loss.js'
import type { View } from '../view.js'
import { type ApgdSpec, checkApgd, climbByApgd } from './apgd.js'
import type { Side } from './ascent.js'
import { requireCounts } from './hyperparameters.js'

export interface ApgdTargetedSpec extends Omit<ApgdSpec, 'kind'> {
  readonly kind: 'apgd-targeted'
  /** The most likely wrong classes are tried in turn, up to this number. */
  readonly targets: number
}

export type ApgdTargetedOptions = Partial<Omit<ApgdTargetedSpec, 'kind'>>

const DEFAULTS = {
  targets: 9,
  loss: 'dlr',
  steps: 100,
  restarts: 1,
  rho: 0.75,
  until: 'success',
} as const

/**
 * APGD-T (Croce & Hein 2020): Auto-PGD on the targeted DLR loss, once for each of the 9 classes that are most likely at
 * x beside the label. Success is that of the criterion, so that any wrong class counts; if the criterion has targets of
 * its own, those are the only ones. With fewer classes there are fewer targets; `dlr` says what becomes of the loss.
 *
 * Cost: a forward pass, and min(targets, classes − 1) · restarts · (steps + 1) passes.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range.
 */
export function apgdTargeted(options: ApgdTargetedOptions = {}): Attack {
  const spec: ApgdTargetedSpec = { kind: 'apgd-targeted', ...DEFAULTS, ...options }
  const { steps, restarts, targets } = spec
  checkApgd(spec)
  requireCounts(spec.kind, { targets })
  const sides = (view: View, model: Attackable) => likelyTargets(view, model, targets, spec.loss)
  return attackOf({ spec, passes: 1 + steps * restarts * targets }, (view, model, attack) =>
    climbByApgd(spec, { sides, beforehand: 1 }, view, model, attack),
  )
}

/** An objective for each rank of likelihood: the targets of rank r are the classes of (r + 1)-th largest score but y. */
function likelyTargets(
  view: View,
  { outputs }: Attackable,
  most: number,
  loss: AttackLossName,
): Side[] {
  const scores = view.outputs(view.centres)
  if (view.targets !== null) return [part => objectiveOf(part, loss)]
  const [z, y] = [scores.dataSync(), view.labels.dataSync()]
  const ranked = Array.from(y, (label, i) =>
    outputs === 1 ? [-label] : wrongClasses(z.subarray(i * outputs, (i + 1) * outputs), label),
  )
  const ranks = Math.min(most, Math.max(1, outputs - 1))
  return Array.from({ length: ranks }, (_, rank): Side => {
    const targets = Float32Array.from(ranked, classes => classes[rank]!)
    return (part, rows) =>
      objectiveOf(
        { ...part, targets: rows === null ? targets : Float32Array.from(rows, i => targets[i]!) },
        loss,
      )
  })
}

/** Classes but the label, the largest score first; the earlier of equals. */
function wrongClasses(z: ArrayLike<number>, label: number): number[] {
  return Array.from({ length: z.length }, (_, j) => j)
    .filter(j => j !== label)
    .sort((a, b) => z[b]! - z[a]! || a - b)
}
