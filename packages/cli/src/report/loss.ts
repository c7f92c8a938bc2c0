import { attackName } from '../format.js'
import { drawChart, type Line } from './chart.js'
import { type Curve, stepsOf } from './curves.js'

/** A range of values wider than this factor is drawn on a logarithmic axis. */
const WIDE = 8

/**
 * loss.svg: L_A(W_t) above, accuracy at the same attacked points below. A training under the identity attack shows its
 * clean figures; the dots at the end show what the evaluation's attack left of each.
 */
export function drawLoss(curves: readonly Curve[]): string {
  const losses = curves.flatMap(c => c.records.map(r => r.loss)).filter(loss => loss > 0)
  const log = losses.length > 0 && extreme(losses, Math.max) > WIDE * extreme(losses, Math.min)
  const evaluated = curves.find(c => c.summary.train !== null)?.summary
  const dots =
    evaluated === undefined
      ? ''
      : `; dots: trained, then under ${attackName(evaluated.evaluationAttack)}`
  return drawChart(
    'Loss and accuracy at the attacked points',
    `lines: at the points of the attack trained with, identity being the clean points${dots}`,
    stepsOf(curves),
    [
      {
        axis: 'L_A(W_t)',
        height: 210,
        log,
        ...(log ? {} : { min: 0 }),
        lines: curves.map(({ name, colour, records }) => ({
          name,
          colour,
          points: records.map(r => [r.step, r.loss] as const),
        })),
      },
      {
        axis: 'accuracy',
        height: 210,
        percent: true,
        min: 0,
        max: 1,
        lines: [
          ...curves.map(({ name, colour, records }) => ({
            name,
            colour,
            points: records.map(r => [r.step, r.robustAccuracy] as const),
          })),
          ...curves.flatMap(finalDot),
        ],
      },
    ],
  )
}

/** Accuracy on the training examples after the last step, under the evaluation's attack. */
function finalDot({ name, colour, summary }: Curve): Line[] {
  const { train, stepsDone } = summary
  if (train === null) return []
  return [
    {
      name,
      colour,
      dots: true,
      points: [[stepsDone, train.robustAccuracy]],
    },
  ]
}

/** Math.min and Math.max of a list too long to spread. */
function extreme(values: readonly number[], pick: (a: number, b: number) => number): number {
  return values.reduce((a, b) => pick(a, b))
}
