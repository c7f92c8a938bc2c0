import * as tf from '@tensorflow/tfjs-core'
import type { Objective } from '../losses/attack-loss.js'
import type { View } from '../view.js'
import type { Side } from './ascent.js'

/**
 * The objective of several sides at once, on a view of the same examples side after side, those of side s at `rows`
 * s·k … (s + 1)·k − 1 of it: every side is asked about its own rows.
 */
export function jointly(sides: readonly Side[], view: View, rows: readonly number[]): Objective {
  if (sides.length === 1) return sides[0]!(view, rows)
  const k = rows.length / sides.length
  const parts = sides.map((side, s) =>
    side(viewOfRows(view, s * k, k), rows.slice(s * k, (s + 1) * k)),
  )
  const joined = <T extends tf.Tensor>(
    outputs: tf.Tensor2D,
    of: (part: Objective, own: tf.Tensor2D) => T,
  ): T =>
    tf.tidy(
      () =>
        tf.concat(
          parts.map((part, s) => of(part, tf.slice(outputs, [s * k, 0], [k, outputs.shape[1]]))),
        ) as tf.Tensor as T,
    )
  return {
    value: outputs => joined(outputs, (part, own) => part.value(own)),
    derivative: outputs => joined(outputs, (part, own) => part.derivative(own)),
  }
}

/** The view of k examples from place `start` on. */
function viewOfRows(view: View, start: number, k: number): View {
  const { centres, labels } = view
  const criterion = view.criterion.atRows(range(start, k))
  return {
    ...view,
    centres: tf.slice(centres, [start, 0], [k, centres.shape[1]]),
    labels: tf.slice(labels, [start], [k]),
    criterion,
    targets: criterion.targets,
  }
}

/** start, start + 1, …: `length` of them. */
export function range(start: number, length: number): number[] {
  return Array.from({ length }, (_, k) => start + k)
}
