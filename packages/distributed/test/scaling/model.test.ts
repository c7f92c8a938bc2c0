import t from 'tap'
import { travelsOf } from '../../dist/ranks/travel.js'

/** The model of docs/scaling.md lies with the benchmarks, which are plain JavaScript. */
interface Problem {
  readonly depth: number
  readonly width: number
  readonly inputs: number
  readonly examples: number
  readonly attackSteps: number
  readonly shard: number
}
type Machine = Readonly<Record<string, number>>
interface Step {
  readonly attack: number
  readonly gradient: number
  readonly update: number
  readonly communication: number
  readonly seconds: number
  readonly bytes: number
}
type Model = (problem: Problem, ranks: number, machine: Machine) => Step
interface Formulas {
  readonly examplesOverRanks: Model
  readonly neuronsOverRanks: Model
  readonly rowsOverRanks: Model
  readonly ownExamples: (n: number, shard: number, ranks: number) => number
  readonly gradientBytes: (
    matrix: { rows: number; cols: number },
    problem: Pick<Problem, 'examples' | 'shard'>,
    ranks: number,
  ) => number
}
interface Tables {
  readonly HERE: Machine
  readonly measuredPoints: () => { name: string; least: number; median: number; problem: Problem }[]
  readonly modelled: (point: unknown) => number
}

const benchmarks = new URL('../../../../benchmarks/', import.meta.url)
const formulas = (await import(new URL('scaling-model.mjs', benchmarks).href)) as Formulas
const tables = (await import(new URL('scaling.mjs', benchmarks).href)) as Tables

const deep: Problem = {
  depth: 2,
  width: 1000,
  inputs: 10,
  examples: 100,
  attackSteps: 3,
  shard: 25,
}
/** Rates by which seconds are counts: a flop a second, and reading, rows, weights and messages that cost nothing. */
const counting: Machine = {
  flops: 1,
  devices: 1,
  memory: 1e300,
  rowSeconds: 0,
  weightSeconds: 0,
  bandwidth: 1,
  latency: 0,
  bytes: 1,
}

t.test('on one rank a step has the flops that mathematics counts', t => {
  // n [4 K m d + 2 (K + 1) m² + 4 m d + 6 m²], the topmost layer being followed.
  const { width: m, inputs: d, examples: n, attackSteps: K } = deep
  const step = formulas.examplesOverRanks(deep, 1, counting)
  t.equal(step.attack, n * (4 * K * m * d + 2 * (K + 1) * m * m))
  t.equal(step.gradient, n * (4 * m * d + 6 * m * m))
  t.equal(step.communication, 0)
  const shallow = { ...deep, depth: 1 }
  t.equal(
    formulas.neuronsOverRanks(shallow, 1, counting).seconds,
    formulas.examplesOverRanks(shallow, 1, counting).seconds,
  )
  t.equal(formulas.rowsOverRanks(deep, 1, counting).seconds, step.seconds)
  t.throws(() => formulas.neuronsOverRanks(deep, 2, counting))
  t.end()
})

t.test('gradients cost the bytes that the trainer plans with', t => {
  for (const [rows, cols, n] of [
    [1000, 1000, 100],
    [1000, 10, 100],
    [64, 64, 4096],
  ] as const)
    for (const ranks of [1, 2, 7]) {
      const [factorBytes, denseBytes] = [4 * n * (rows + cols), 4 * rows * cols]
      const form = factorBytes < denseBytes ? 'factors' : 'dense'
      const [travel] = travelsOf([{ name: 'W', rows, cols, form, factorBytes, denseBytes }], {
        ranks,
        shards: Math.ceil(n / 32),
        sums: 'ordered',
      })
      t.equal(
        formulas.gradientBytes({ rows, cols }, { examples: n, shard: 32 }, ranks),
        travel!.bytes,
      )
    }
  t.end()
})

t.test('neurons over ranks share weights, and send n (d + 1) numbers a pass and rank', t => {
  const problem = { ...deep, depth: 1, width: 4096 }
  const step = formulas.neuronsOverRanks(problem, 8, counting)
  const alone = formulas.neuronsOverRanks(problem, 1, counting)
  t.equal(step.attack, alone.attack / 8)
  // Added up and handed round: 2 (P − 1)/P of 4 bytes, in K + 2 passes.
  t.equal(step.communication, (5 * 2 * 4 * 100 * 11 * 7) / 8)
  t.equal(12 * 512 * 10, step.bytes - 4 * 100 * 11 - 4 * 25 * 512)
  t.end()
})

t.test('more ranks than shards have nothing to do', t => {
  t.equal(formulas.ownExamples(100, 25, 2), 50)
  t.equal(formulas.ownExamples(100, 25, 3), 50, 'shards are dealt whole')
  t.equal(formulas.ownExamples(100, 25, 4), 25)
  t.equal(formulas.ownExamples(100, 25, 1000), 25)
  t.end()
})

t.test('the model comes within a factor of two of what was measured at d = 784', t => {
  const points = tables.measuredPoints().filter(({ problem }) => problem.inputs === 784)
  t.ok(points.length >= 10)
  for (const point of points) {
    const ratio = tables.modelled(point) / point.median
    t.ok(ratio > 0.5 && ratio < 1.25, `${point.name}: ${ratio.toFixed(2)}`)
  }
  t.end()
})
