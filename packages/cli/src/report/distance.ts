import { COLOURS, drawChart, type Line } from './chart.js'
import { type Curve, stepsOf } from './curves.js'

/** distance.svg: how far each group of weights went from where it started, against R. */
export function drawDistance(curves: readonly Curve[]): string {
  const radius = curves[0]?.summary.radius ?? null
  const deep = curves.some(c => c.records.some(r => r.distances.length > 1))
  const dashed = curves.length > 1 ? `; dashed: ${curves[0]!.name}` : ''
  return drawChart(
    'Distance from initialisation',
    deep
      ? `each layer h on its own, times √m, so that it compares with R (Section 4)${dashed}`
      : 'in the units of R: ‖W − W₀‖_F for two-layer networks, √m times that for a deep layer',
    stepsOf(curves),
    [
      {
        axis: deep ? '√m ‖W⁽ʰ⁾ − W₀⁽ʰ⁾‖' : '‖W − W₀‖',
        height: 320,
        min: 0,
        lines: curves.flatMap(linesOf),
        ...(radius === null ? {} : { level: { value: radius, label: `R = ${radius}` } }),
      },
    ],
  )
}

/** One line a group. Layers differ in colour and share it with the same layer of the baseline, which is dashed. */
function linesOf({ name, colour, role, records }: Curve): Line[] {
  const groups = records[0]?.distances.map(d => d.group) ?? []
  return groups.map((group, g) => ({
    name: groups.length === 1 ? name : layerOf(group),
    colour: groups.length > 1 ? COLOURS[g % COLOURS.length]! : colour,
    dashed: role === 'baseline',
    points: [[0, 0], ...records.map(r => [r.step + 1, r.distances[g]?.distance ?? null] as const)],
  }))
}

/** `layers.2`, or `layers.2+ & layers.2-` of mirrored copies, as `h = 2`. */
function layerOf(group: string): string {
  const layer = /^layers\.(\d+)/.exec(group)
  return layer === null ? group : `h = ${layer[1]}`
}
