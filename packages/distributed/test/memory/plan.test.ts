import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { footprintOf, type NetworkSpec, networkFrom } from '@saddle/core'
import { largestWidth, planMemory } from '@saddle/distributed'
import t from 'tap'
import { bytesOfArrays } from '../../dist/memory/move.js'
import { createWorkspace } from '../../dist/replica/workspace.js'

const NETWORKS: Record<string, NetworkSpec> = Object.fromEntries(
  (
    [
      ['two-layer', { family: 'two-layer', depth: 1, init: 'symmetric' }],
      ['paper', { family: 'deep', depth: 2, init: 'paper' }],
      ['subtract', { family: 'deep', depth: 3, init: 'subtract' }],
      ['mirrored', { family: 'deep', depth: 2, init: 'mirrored' }],
      ['dense', { family: 'deep', depth: 2, init: 'paper', first: 'dense' }],
      ['narrow', { family: 'deep', depth: 2, init: 'paper', inputs: 100 }],
    ] as const
  ).map(([name, spec]) => [
    name,
    { activation: 'relu', inputs: 16, width: 64, outputs: 3, ...spec },
  ]),
)

for (const [name, spec] of Object.entries(NETWORKS))
  t.test(`${name}: the plan has the bytes of the arrays that training allocates`, async t => {
    const network = networkFrom(spec)
    const parameters = network.initialise(1)
    const { trained, weights, initial, frozen } = footprintOf(spec)
    const rows = parameters.trained.map(m => ({
      name: m.name,
      rows: m.weights.rows,
      cols: m.weights.cols,
    }))
    t.same(trained, rows)
    // Lengths here are multiples of 16 but for the frozen ones, which are rounded up to a line of cache.
    const bytes = bytesOfArrays([parameters])
    const expected = 4 * (2 * weights + initial + frozen)
    t.ok(bytes >= expected && bytes < expected + 2 * 64, `${bytes} for ${expected}`)
    for (const window of [2 ** 28, 2 ** 12]) {
      const question = { network: spec, examples: 20, shard: 8, window, workers: 3 }
      const workspace = createWorkspace(parameters, {
        examples: 20,
        batch: 20,
        shard: 8,
        windowBytes: window,
        inFlight: 4,
      })
      const planned = planMemory(question).shared.find(part => part.name === 'gradients')!.bytes
      const held = bytesOfArrays([workspace])
      const count = workspace.matrices.length * 8 + 1
      t.ok(held >= planned && held < planned + 64 * count, `${held} for ${planned}`)
    }
  })

t.test('the largest width fits, and the next one does not', async t => {
  const network = NETWORKS.paper!
  const question = { network, examples: 512, shard: 128, window: 2 ** 28, workers: 2 }
  const bytes = 2 ** 32
  const width = largestWidth(question, bytes)
  const at = (m: number) => planMemory({ ...question, network: { ...network, width: m } }).total
  t.ok(at(width) <= bytes && at(width + 2) > bytes, `${width}`)
  // W, W_0 and D of the m × m layer alone are 12 m² bytes.
  t.ok(width < Math.sqrt(bytes / 12) && width > 0.8 * Math.sqrt(bytes / 12))
  t.equal(largestWidth(question, 2 ** 20), 0)
})

t.test('the plan grows with the width as the measured peak does', async t => {
  const script = fileURLToPath(new URL('../fixtures/peak.mjs', import.meta.url))
  const widths = [1024, 4096]
  const [few, many] = widths.map(width =>
    JSON.parse(execFileSync(process.execPath, [script, `${width}`, '2'], { encoding: 'utf8' })),
  )
  const [planFew, planMany] = widths.map(
    width =>
      planMemory({
        network: { ...NETWORKS.paper!, inputs: 16, outputs: 1, width },
        examples: 256,
        shard: 128,
        window: 2 ** 28,
        workers: 2,
      }).total,
  )
  const measured = many - few
  const planned = planMany! - planFew!
  // The peak moves by some ten MiB with the moments at which garbage is collected.
  t.ok(planned > 0.8 * measured, `planned ${planned >> 20} MiB, measured ${measured >> 20} MiB`)
  t.ok(planned < 1.35 * measured, `planned ${planned >> 20} MiB, measured ${measured >> 20} MiB`)
})
