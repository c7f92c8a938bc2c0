import { line, ratio, time } from './table.mjs'

/** Prints what each group of rows came to. A peer that is missing says why. */

const TORCH = [46, 9, 8, 6, 9]

export function printTorch({ network, agreement, compiling, rows }) {
  console.log(`\n${network}`)
  for (const [form, { outputs, gradient }] of Object.entries(agreement))
    console.log(
      `  same numbers as PyTorch ${form}: f to ${outputs.toExponential(0)}, ∇ₓ to ${gradient.toExponential(0)}`,
    )
  for (const [form, { compiled, reason }] of Object.entries(compiling))
    if (!compiled) console.log(`  torch.compile of ${form}: ${reason ?? 'not faster'}`)
  line(['', 'time', 'threads', 'cores', 'ratio'], TORCH)
  for (const { what, set, threads, saddle, peers } of rows) {
    const name = what === 'attack' ? `attack, ${set}` : `training step, ${set}`
    line([`  ${name}`, time(saddle.seconds), threads, saddle.cores.toFixed(1), ''], TORCH)
    for (const [peer, { missing, seconds, cores, ratio: value }] of Object.entries(peers)) {
      if (missing !== undefined) console.log(`    ${peer}: ${missing}`)
      else line([`    ${peer}`, time(seconds), threads, cores.toFixed(1), ratio(value)], TORCH)
    }
  }
}

export function printWorkers({ network, workers: [, count], one, all, speedUp }) {
  console.log(
    `  ${network}: ${time(one.seconds)} with 1 worker, ${time(all.seconds)} with ${count}: ${ratio(speedUp)}`,
  )
}

export function printPeak({ network, missing, flopsPerSecond, peak, share, plainShare }) {
  if (missing !== undefined) console.log(`  ${network}: ${missing}`)
  else
    console.log(
      `  ${network}: ${(flopsPerSecond / 1e9).toFixed(1)} of ${(peak / 1e9).toFixed(1)} GFLOP/s, ${(100 * share).toFixed(0)} %; ` +
        `as an attack that follows nothing ${(100 * plainShare).toFixed(0)} %`,
    )
}

export function printMemory({ network, widths, saddle, torch }) {
  const peer =
    torch.missing === undefined
      ? `PyTorch ${torch.form} ${torch.perWeight.toFixed(1)}`
      : `PyTorch: ${torch.missing}`
  console.log(
    `  ${network}, m = ${widths.join(' to ')}: Saddle ${saddle.perWeight.toFixed(1)}, ${peer}`,
  )
}

export function printWidth({ points, slope, lastDecade }) {
  for (const { width, seconds, bytes, missing } of points)
    console.log(
      `  m = ${width}: ${missing ?? `${time(seconds)}, peak memory ${(bytes / 2 ** 20).toFixed(0)} MiB`}`,
    )
  console.log(`  slope of log time: ${slope.toFixed(2)}, last decade ${lastDecade.toFixed(2)}`)
}

const STEP_TIME = [18, 6, 9, 9, 9, 9, 9, 9, 9]

export function printStepTimeHead() {
  const columns = ['∇ₓf', 'tf.grad', 'ratio', 'PGD-5', 'factors', 'update', 'step']
  line(['network', 'width', ...columns], STEP_TIME)
}

export function printStepTime({ network, width, gradient, peer, ratio, attack, factors, update }) {
  const cells = [gradient, peer, ratio, attack, factors, update, attack + factors + update]
  line([network, width, ...cells.map(cell => cell.toFixed(1))], STEP_TIME)
}

const ATTACKS = [32, 9, 9, 10, 7, 7]

export function printAttacks({ network, missing, rows }) {
  if (missing !== undefined) return console.log(`  ${network}: ${missing}`)
  for (const { model, examples, saddle, peers } of rows) {
    line([`  ${network}, ${model}`, 'time', 'cpu', 'standing', 'ratio', 'of cpu'], ATTACKS)
    const cells = ({ seconds, cpuSeconds, robust }) => [
      time(seconds),
      time(cpuSeconds),
      `${(100 * robust).toFixed(1)} %`,
    ]
    line([`    Saddle, ${examples} examples`, ...cells(saddle), '', ''], ATTACKS)
    for (const [tool, found] of Object.entries(peers))
      if (found.missing !== undefined) console.log(`    ${tool}: ${found.missing}`)
      else
        line([`    ${tool}`, ...cells(found), ratio(found.ratio), ratio(found.cpuRatio)], ATTACKS)
  }
}

const ALLREDUCE = [12, 10, 10, 10, 7]

export function printAllreduce({ network, missing, ranks, sizes }) {
  if (missing !== undefined) return console.log(`  ${network}: ${missing}`)
  console.log(`  ${network}, ${ranks} ranks`)
  line(['    bytes', 'time', 'in C', 'GB/s', 'ratio'], ALLREDUCE)
  for (const { bytes, seconds, peerSeconds, bytesPerSecond, ratio: value } of sizes)
    line(
      [
        `    ${bytes}`,
        microseconds(seconds),
        microseconds(peerSeconds),
        (bytesPerSecond / 1e9).toFixed(3),
        ratio(value),
      ],
      ALLREDUCE,
    )
}

function microseconds(seconds) {
  return seconds < 1e-3 ? `${(1e6 * seconds).toFixed(1)} µs` : time(seconds)
}

const kb = bytes => `${(bytes / 1000).toFixed(0)} kB`

export function printRanks({ network, missing, points }) {
  if (missing !== undefined) return console.log(`  ${network}: ${missing}`)
  for (const point of points) {
    if (network === 'bytes')
      console.log(
        `  ${point.label}, ${point.ranks} ranks, all together a step: formula ${kb(point.formula)}, ` +
          `counted ${kb(point.counted)}, over the device ${kb(point.kernel)}`,
      )
    else if (network === 'steps')
      console.log(
        `  ${point.ranks} ranks: ${time(point.seconds)} a step, ${(100 * point.waiting).toFixed(0)} % of it waiting`,
      )
    else
      console.log(
        `  m = ${point.width}: factors ${kb(point.factors.bytes)}, ${time(point.factors.wait)}; ` +
          `dense ${kb(point.dense.bytes)}, ${time(point.dense.wait)}`,
      )
  }
}
