import { readFileSync } from 'node:fs'
import { examplesOverRanks, neuronsOverRanks, rowsOverRanks } from './scaling-model.mjs'

/**
 * Prints the tables of docs/scaling.md: `node benchmarks/scaling.mjs`. First the model against what results/*.json
 * measured, then what it says of machines and widths beyond them.
 */

/** Two cores of a virtual AMD EPYC, Node 20.20, OpenBLAS 0.3.21: measured, but for `memory`, which is a usual figure. */
export const HERE = {
  flops: 89e9,
  devices: 2,
  memory: 20e9,
  rowSeconds: 7e-9,
  weightSeconds: 10e-9,
  bandwidth: 0.8e9,
  latency: 60e-6,
  bytes: 25e9,
}

/** A GPU a rank, by its maker's data sheet at 70 % of the peak, and 200 Gbit/s of network each: NOT measured. */
export const GPU = {
  flops: 0.7 * 67e12,
  devices: 1,
  memory: 3.35e12,
  rowSeconds: 12 / 3.35e12,
  weightSeconds: 24 / 3.35e12,
  bandwidth: 25e9,
  latency: 20e-6,
  bytes: 80e9,
}

const results = name =>
  JSON.parse(readFileSync(new URL(`results/${name}.json`, import.meta.url), 'utf8'))

/** Measured steps: what was measured, by how many devices, seconds (least and median), and the problem. */
export function measuredPoints() {
  const sizes = {
    'H1-4096': [1, 4096],
    'H1-65536': [1, 65536],
    'H2-2048': [2, 2048],
    'H2-4096': [2, 4096],
    'H3-2048': [3, 2048],
    'two-layer-65536': [1, 65536],
  }
  const problemOf = network => {
    const [depth, width] = sizes[network]
    return { depth, width, inputs: 784, examples: 256, attackSteps: 10, shard: 128 }
  }
  const median = values => [...values].sort((a, b) => a - b)[values.length >> 1]
  const point = (name, devices, rounds, problem) => ({
    name,
    devices,
    least: Math.min(...rounds),
    median: median(rounds),
    problem,
  })
  return [
    ...results('workers').rows.flatMap(({ network, one, all }) => [
      point(network, 1, one.rounds, problemOf(network)),
      point(network, 2, all.rounds, problemOf(network)),
    ]),
    ...results('torch').rows.flatMap(({ network, rows }) =>
      rows
        .filter(({ what, set }) => what === 'step' && set === 'l2')
        .map(row => point(network, row.threads, row.saddle.rounds, problemOf(network))),
    ),
    ...results('width')
      .rows[0].points.slice(-2)
      .map(({ width, rounds }) =>
        point(`H1-${width}, d = 10`, 2, rounds, {
          depth: 1,
          width,
          inputs: 10,
          examples: 16,
          attackSteps: 2,
          shard: 16,
        }),
      ),
    ...rankPoints(point),
  ]
}

/** Ranks of this machine, a worker each, with the bits of one: H = 2 by factors. */
function rankPoints(point) {
  const { size, points } = results('ranks').rows.find(({ network }) => network === 'steps')
  return points.map(({ ranks, rounds }) => ({
    ...point(`H2-${size.width}, d = 11, ${ranks} ranks`, 1, rounds, {
      ...size,
      depth: 2,
      inputs: 11,
    }),
    ranks,
  }))
}

/** The model's seconds of a measured point. */
export function modelled({ problem, devices, ranks = 1 }) {
  return examplesOverRanks(problem, ranks, { ...HERE, devices }).seconds
}

function table(head, rows) {
  const widths = head.map((_, c) => Math.max(...[head, ...rows].map(row => row[c].length)))
  const line = row =>
    `| ${row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c]))).join(' | ')} |`
  const rule = `| ${widths.map((w, c) => (c === 0 ? '-'.repeat(w) : `${'-'.repeat(w - 1)}:`)).join(' | ')} |`
  console.log([line(head), rule, ...rows.map(line), ''].join('\n'))
}

const seconds = s => (s >= 99.5 ? s.toExponential(1) : s.toPrecision(2))
const size = b => {
  const unit = b >= 1e12 ? [1e12, 'TB'] : b >= 1e9 ? [1e9, 'GB'] : [1e6, 'MB']
  return `${(b / unit[0]).toPrecision(2)} ${unit[1]}`
}
const percent = share => `${Math.round(100 * share)} %`

function printChecks() {
  console.log('Model against measurement (seconds a step)\n')
  table(
    ['network', 'workers', 'least', 'median', 'model', 'model / median'],
    measuredPoints().map(point => {
      const model = modelled(point)
      return [
        point.name,
        `${point.devices}`,
        ...[point.least, point.median, model].map(seconds),
        (model / point.median).toFixed(2),
      ]
    }),
  )
}

function printScaling(title, model, problem, machine, widths) {
  const { inputs, examples, attackSteps } = problem
  console.log(`${title} (d = ${inputs}, n = ${examples}, K = ${attackSteps})\n`)
  const ranks = [1, 8, 64, 1024]
  const rows = widths.flatMap(width =>
    ranks.map(count => {
      // Where examples are dealt every rank needs a shard.
      const fair = model === examplesOverRanks ? Math.ceil(examples / count) : examples
      const shard = Math.min(128, fair)
      const step = model({ ...problem, width, shard }, count, machine)
      const fits = step.bytes <= machine.bytes
      return [
        width.toExponential(0).replace('e+', 'e'),
        `${count}`,
        seconds(step.seconds),
        percent(step.communication / step.seconds),
        percent(step.update / step.seconds),
        `${size(step.bytes)}${fits ? '' : ' *'}`,
      ]
    }),
  )
  table(['m', 'ranks', 's a step', 'communicating', 'updating', 'a rank holds'], rows)
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  printChecks()
  const one = { depth: 1, inputs: 784, examples: 8192, attackSteps: 10 }
  const two = { ...one, depth: 2 }
  printScaling('Examples over ranks, H = 1, two cores a rank', examplesOverRanks, one, HERE, [1e6])
  printScaling(
    'Neurons over ranks, H = 1, two cores a rank',
    neuronsOverRanks,
    one,
    HERE,
    [1e6, 1e9],
  )
  printScaling('Neurons over ranks, H = 1, a GPU a rank', neuronsOverRanks, one, GPU, [1e6, 1e9])
  printScaling(
    'Examples over ranks, H = 2, two cores a rank',
    examplesOverRanks,
    two,
    HERE,
    [1e4, 1e5],
  )
  printScaling(
    'Examples over ranks, H = 2, a GPU a rank',
    examplesOverRanks,
    two,
    GPU,
    [1e4, 1e5, 1e6],
  )
  printScaling('Rows over ranks, H = 2, a GPU a rank', rowsOverRanks, two, GPU, [1e5, 1e6])
}
