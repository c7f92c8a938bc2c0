import { LineChart, type LineSeriesOption, ScatterChart } from 'echarts/charts'
import {
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TitleComponent,
} from 'echarts/components'
import { type ComposeOption, init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([
  LineChart,
  ScatterChart,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TitleComponent,
  SVGRenderer,
])

/** Colours that people with any colour vision tell apart (Okabe and Ito 2008), dark enough on white. */
export const COLOURS = ['#0072b2', '#009e73', '#cc79a7', '#56b4e9', '#e69f00'] as const
/** The baseline's colour in every picture. */
export const BASELINE = '#d55e00'
const INK = '#222222'
const FAINT = '#dddddd'
// No quotes: ECharts puts the name into an attribute unescaped.
const FONT = 'Helvetica, Arial, DejaVu Sans, sans-serif'

const WIDTH = 860
const LEFT = 84
const TOP = 92
const GAP = 34
const BOTTOM = 56

export type Point = readonly [step: number, value: number | null]

export interface Line {
  readonly name: string
  readonly colour: string
  readonly points: readonly Point[]
  readonly dashed?: boolean
  /** Filled down to the axis, without a line of its own weight. */
  readonly area?: boolean
  /** Single points, drawn as dots. */
  readonly dots?: boolean
  /** A line with a dot at every point. */
  readonly marked?: boolean
}

/** One of the plots that stand above each other over the same steps. */
export interface Panel {
  readonly axis: string
  readonly height: number
  readonly lines: readonly Line[]
  /** A logarithmic axis; values that are not positive are left out. */
  readonly log?: boolean
  readonly min?: number
  readonly max?: number
  readonly percent?: boolean
  /** A level drawn across the panel, such as R. */
  readonly level?: { readonly value: number; readonly label: string }
}

/**
 * Panels above each other as one SVG, `WIDTH` wide, with a title, a legend of all named lines (equal names share an entry), and
 * one axis of steps from 0 to `steps`, or of whatever `axis` names.
 * Nothing moves and nothing is fetched: the picture can be read, printed and kept.
 */
export function drawChart(
  title: string,
  subtitle: string,
  steps: number,
  panels: readonly Panel[],
  axis = 'step t',
): string {
  const tops = panels.map((_, i) => TOP + sum(panels.slice(0, i).map(p => p.height + GAP)))
  const height = tops.at(-1)! + panels.at(-1)!.height + BOTTOM
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT, color: INK },
    title: {
      text: title,
      subtext: subtitle,
      left: LEFT,
      top: 8,
      itemGap: 6,
      textStyle: { fontSize: 17, fontWeight: 600, color: INK, fontFamily: FONT },
      subtextStyle: { fontSize: 12, color: '#555555', fontFamily: FONT },
    },
    legend: {
      left: LEFT - 5,
      top: 58,
      // Widths of text are estimated here; a reader's font may be wider.
      itemGap: 30,
      itemWidth: 20,
      itemHeight: 4,
      icon: 'rect',
      textStyle: { fontSize: 12.5, color: INK, fontFamily: FONT },
      data: [...new Set(panels.flatMap(p => p.lines.map(l => l.name)))],
    },
    grid: panels.map((panel, i) => ({
      left: LEFT,
      right: 28,
      top: tops[i]!,
      height: panel.height,
    })),
    xAxis: panels.map((_, i) => xAxis(i, i === panels.length - 1, steps > 0 ? steps : 1, axis)),
    yAxis: panels.map(yAxis),
    series: panels.flatMap((panel, i) => panel.lines.map((line, j) => series(panel, line, i, j))),
  } satisfies ComposeOption<LineSeriesOption>)
  const svg = chart.renderToSVGString()
  chart.dispose()
  return withoutHovering(svg)
}

/** ECharts styles what is under the pointer; a picture has no use for it. */
function withoutHovering(svg: string): string {
  return svg.replace(/<style[\s\S]*?<\/style>\s*/g, '').replace(/ class="[^"]*"/g, '')
}

function xAxis(index: number, last: boolean, steps: number, name: string): object {
  return {
    gridIndex: index,
    type: 'value',
    min: 0,
    max: steps,
    name: last ? name : '',
    nameLocation: 'middle',
    nameGap: 30,
    nameTextStyle: { fontSize: 13, color: INK },
    axisLine: { show: true, onZero: false, lineStyle: { color: INK } },
    axisLabel: { show: last, fontSize: 12, color: INK },
    axisTick: { show: last },
    splitLine: { show: false },
  }
}

function yAxis(panel: Panel, index: number): object {
  return {
    gridIndex: index,
    type: panel.log === true ? 'log' : 'value',
    ...(panel.min === undefined ? {} : { min: panel.min }),
    ...(panel.max === undefined ? {} : { max: panel.max }),
    scale: true,
    name: panel.axis,
    nameLocation: 'middle',
    nameGap: 56,
    nameTextStyle: { fontSize: 13, color: INK },
    axisLine: { show: true, lineStyle: { color: INK } },
    axisLabel: {
      fontSize: 12,
      color: INK,
      formatter: (value: number) =>
        panel.percent === true ? `${round(100 * value)} %` : `${round(value)}`,
    },
    splitLine: { lineStyle: { color: FAINT } },
    splitNumber: 4,
    ...(panel.max === undefined ? { boundaryGap: [0, '8%'] } : { interval: panel.max / 4 }),
  }
}

function series(panel: Panel, line: Line, index: number, place: number): object {
  const { name, colour, points } = line
  const shared = { name, xAxisIndex: index, yAxisIndex: index, itemStyle: { color: colour } }
  const data = points.map(([step, value]) => [
    step,
    panel.log === true && !(value! > 0) ? null : value,
  ])
  if (line.dots === true) return { ...shared, type: 'scatter', symbolSize: 10, data, z: 5 }
  return {
    ...shared,
    type: 'line',
    data,
    sampling: 'lttb',
    showSymbol: line.marked === true,
    symbol: 'circle',
    symbolSize: 7,
    lineStyle: {
      color: colour,
      width: line.area === true ? 0 : 2,
      type: line.dashed === true ? 'dashed' : 'solid',
    },
    ...(line.area === true ? { step: 'middle', areaStyle: { color: colour, opacity: 0.55 } } : {}),
    ...(place === 0 && panel.level !== undefined ? { markLine: markLine(panel.level) } : {}),
  }
}

function markLine({ value, label }: { value: number; label: string }): object {
  return {
    silent: true,
    symbol: 'none',
    lineStyle: { type: 'dashed', color: INK, width: 1.5 },
    label: { formatter: label, position: 'insideEndTop', fontSize: 13, color: INK },
    data: [{ yAxis: value }],
  }
}

function round(value: number): number {
  return Number(value.toPrecision(4))
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
