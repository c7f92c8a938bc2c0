import type { StepRecord } from '@saddle/distributed'
import { percent } from '../format.js'
import { drawChart, type Line, type Point } from './chart.js'
import { type Curve, stepsOf } from './curves.js'

/**
 * projection.svg: by how much the projection onto B(R) shortened W − W₀ in each step (its worst group), and the share
 * of steps so far on which it acted at all.
 */
export function drawProjection(curves: readonly Curve[]): string {
  const main = curves.find(c => c.role === 'main') ?? curves[0]!
  const { radius, projectedShare } = main.summary
  return drawChart(
    'Projection onto B(R)',
    radius === null
      ? 'R is not set: the weights are never projected'
      : `acted on ${percent(projectedShare)} of the steps of the network ${main.name}`,
    stepsOf(curves),
    [
      {
        axis: 'shortened by',
        height: 170,
        percent: true,
        min: 0,
        ...(curves.every(c => c.records.every(r => !r.projected)) ? { max: 0.01 } : {}),
        lines: curves.map(c => line(c, c.records.map(shortening), true)),
      },
      {
        axis: 'share of steps so far',
        height: 170,
        percent: true,
        min: 0,
        max: 1,
        lines: curves.map(c => line(c, runningShare(c.records), false)),
      },
    ],
  )
}

function line({ name, colour }: Curve, points: readonly Point[], area: boolean): Line {
  return { name, colour, points, area }
}

/** 1 − the smallest factor that the projection applied. */
function shortening({ step, distances }: StepRecord): Point {
  return [step, 1 - Math.min(...distances.map(d => d.scale))]
}

function runningShare(records: readonly StepRecord[]): Point[] {
  let acted = 0
  return records.map(({ step, projected }, i) => {
    acted += projected ? 1 : 0
    return [step, acted / (i + 1)]
  })
}
