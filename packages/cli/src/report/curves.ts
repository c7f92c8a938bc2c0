import type { RunSummary, StepRecord } from '@saddle/distributed'
import { attackName } from '../format.js'
import { BASELINE, COLOURS } from './chart.js'

/** One training to draw: its records in the order of steps, and how it is named and coloured in every picture. */
export interface Curve {
  readonly summary: RunSummary
  readonly records: readonly StepRecord[]
  /** `trained with pgd-5`. */
  readonly name: string
  readonly colour: string
  readonly role: 'main' | 'baseline'
}

export function curveOf(
  role: Curve['role'],
  summary: RunSummary,
  records: readonly StepRecord[],
): Curve {
  const name = `trained with ${attackName(summary.attack)}`
  return { role, summary, records, name, colour: role === 'main' ? COLOURS[0] : BASELINE }
}

/** The steps that a picture of these trainings spans. */
export function stepsOf(curves: readonly Curve[]): number {
  return Math.max(...curves.map(c => c.summary.stepsDone))
}
