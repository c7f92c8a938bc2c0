import { mkdirSync, writeFileSync } from 'node:fs'
import { useBackend } from '@saddle/core'
import { machine } from './measure.mjs'
import { cases, measureStep } from './step-time.mjs'

/**
 * `pnpm bench [ROUNDS]`: prints a table and writes benchmarks/results/step-time.json. Every ratio is of medians from
 * rounds in which all contestants ran in turn.
 */
const rounds = Number(process.argv[2] ?? 7)
const { backend } = await useBackend('wasm')
const where = machine()
console.log(
  `backend ${backend.name}, one thread, 128 examples, d = 784; medians of ${rounds} rounds, in ms`,
)
console.log(
  `${where.cpu}, ${where.cores} cores, load ${where.load.toFixed(1)}, Node ${where.node}\n`,
)

const columns = ['∇ₓf', 'tf.grad', 'ratio', 'PGD-5', 'factors', 'update', 'step']
console.log(
  ['network'.padEnd(18), 'width'.padStart(6), ...columns.map(c => c.padStart(9))].join(' '),
)
const rows = []
for (const kind of cases) {
  for (const width of kind.widths) {
    const { gradient, peer, attack, factors, update } = measureStep(kind, width, rounds)
    const row = {
      network: kind.name,
      width,
      gradient,
      peer,
      ratio: peer / gradient,
      attack,
      factors,
      update,
    }
    rows.push(row)
    const cells = [gradient, peer, row.ratio, attack, factors, update, attack + factors + update]
    console.log(
      [
        kind.name.padEnd(18),
        String(width).padStart(6),
        ...cells.map(c => c.toFixed(1).padStart(9)),
      ].join(' '),
    )
  }
}
console.log(
  '\nratio: tf.grad of TensorFlow.js over the hand-written input gradient, same backend, same function',
)
console.log('(same weights for (4); for (1) the peer holds A and W⁽¹⁾, which Saddle folds into B).')
mkdirSync(new URL('results/', import.meta.url), { recursive: true })
const file = new URL('results/step-time.json', import.meta.url)
writeFileSync(
  file,
  `${JSON.stringify({ machine: where, backend: backend.name, rounds, rows }, null, 2)}\n`,
)
