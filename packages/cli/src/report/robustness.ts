import type { EvaluationReport } from '@saddle/distributed'
import { percent } from '../format.js'
import { BASELINE, COLOURS, drawChart, type Line } from './chart.js'

/** robustness.svg: robust accuracy against the radius, a line an attack and one for the worst case over all of them. */
export function drawRobustness(report: EvaluationReport): string {
  const { attacks, radii, worstCase, clean, data, set } = report
  const clear = 1 - clean.adversarial
  const curves: Line[] = attacks.map(({ name, radii: figures }, a) => ({
    name,
    colour: COLOURS[a % COLOURS.length]!,
    dashed: a >= COLOURS.length,
    marked: true,
    points: startingAt(
      clear,
      figures.map(r => [r.radius, r.robustAccuracy] as const),
    ),
  }))
  const worst: Line = {
    name: 'worst case',
    colour: BASELINE,
    marked: true,
    points: startingAt(
      clear,
      worstCase.map(w => [w.radius, w.robustAccuracy] as const),
    ),
  }
  return drawChart(
    'Robust accuracy against the radius',
    `${data.examples} examples, ${set}; ${percent(clean.accuracy)} right without an attack; attacks give upper bounds`,
    radii.at(-1)!,
    [
      {
        axis: 'robust accuracy',
        height: 320,
        percent: true,
        min: 0,
        max: 1,
        lines: attacks.length > 1 ? [...curves, worst] : curves,
      },
    ],
    `radius, ${set}`,
  )
}

/** With the clean share at radius 0, unless that was evaluated itself. */
function startingAt(
  clear: number,
  points: readonly (readonly [number, number])[],
): (readonly [number, number])[] {
  return points[0]?.[0] === 0 ? [...points] : [[0, clear], ...points]
}
