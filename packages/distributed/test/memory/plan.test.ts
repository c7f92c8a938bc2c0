import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { footprintOf, type NetworkSpec, networkFrom } from '@saddle/core'
import t from 'tap'
import { parseDevice } from '../../dist/devices/device.js'
import { checkMemory } from '../../dist/memory/check.js'
import { bytesOfArrays } from '../../dist/memory/move.js'
import { largestWidth, type MemoryQuestion, planMemory, roomNamed } from '../../dist/memory/plan.js'
import { createWorkspace } from '../../dist/replica/workspace.js'
import { shareSlices } from '../../dist/team/slices.js'
import { createTeam } from '../../dist/team/team.js'

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

const pgd = {
  kind: 'pgd',
  steps: 2,
  stepSize: 0.25,
  restarts: 1,
  start: 'uniform',
  objective: 'loss',
  keepBest: true,
} as const

/** Full batches split by examples, on so many workers or these devices. */
function question(
  network: NetworkSpec,
  devices: readonly string[],
  more: Partial<MemoryQuestion> = {},
): MemoryQuestion {
  const examples = more.examples ?? 512
  return {
    network,
    examples,
    batch: examples,
    testExamples: 0,
    shard: 128,
    window: 2 ** 28,
    split: 'examples',
    update: 'host',
    attack: pgd,
    comparator: false,
    devices: devices.map(parseDevice),
    ...more,
  }
}

const machine = (asked: MemoryQuestion) => roomNamed(planMemory(asked), 'machine')

function bytesNamed(asked: MemoryQuestion, name: string, room = 'machine'): number {
  const { parts } = roomNamed(planMemory(asked), room)
  return parts.find(part => part.name === name)?.bytes ?? 0
}

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
      const asked = question(spec, ['cpu', 'cpu', 'cpu'], { examples: 20, shard: 8, window })
      const workspace = createWorkspace(parameters, {
        examples: 20,
        batch: 20,
        shard: 8,
        windowBytes: window,
        inFlight: 4,
      })
      const held = bytesOfArrays([workspace])
      const count = workspace.matrices.length * 8 + 1
      const planned = bytesNamed(asked, 'gradients')
      t.ok(held >= planned && held < planned + 64 * count, `${held} for ${planned}`)
    }
  })

t.test('workers that split neurons exchange sums in buffers that the plan counts', async t => {
  const spec: NetworkSpec = { ...NETWORKS.paper!, depth: 1, width: 200, outputs: 1 }
  const asked = question(spec, ['cpu', 'cpu'], { examples: 20, shard: 8, split: 'neurons' })
  const parameters = networkFrom(spec).initialise(1)
  const share = shareSlices(parameters.trained[0]!.weights.rows, 0, 1)
  const { parts, gathered } = createTeam(share, { examples: 8, inputs: spec.inputs, outputs: 1 })
  t.equal(planMemory(asked).split, 'neurons')
  t.equal(bytesNamed(asked, 'team'), parts.byteLength + gathered.byteLength)
  t.equal(bytesNamed({ ...asked, split: 'examples' }, 'team'), 0)
  // Processes never split neurons.
  const own = { ...asked, devices: ['cpu', 'process:cpu'].map(parseDevice) }
  t.same([planMemory(own).split, bytesNamed(own, 'team')], ['examples', 0])
})

t.test('lanes on a card have a copy each of what passes read; the host keeps all else', async t => {
  const spec = NETWORKS.subtract!
  const { weights, initial, frozen } = footprintOf(spec)
  const asked = question(spec, ['cuda:0', 'cuda:1', 'cuda:0', 'process:cuda:1', 'blas'])
  const { rooms } = planMemory(asked)
  t.same(
    rooms.map(({ name }) => name),
    ['machine', 'cuda:0', 'cuda:1'],
  )
  // `subtract` reads W and W_0; in D and W_0 the host has what the update needs.
  for (const card of ['cuda:0', 'cuda:1'])
    t.equal(bytesNamed(asked, 'weights', card), 2 * 4 * (weights + initial + frozen))
  t.equal(bytesNamed(asked, 'D'), 4 * weights)
  const monitored = { ...asked, comparator: true }
  t.equal(bytesNamed(monitored, 'W†'), 4 * (2 * weights + initial + frozen))
  t.equal(bytesNamed(monitored, 'weights', 'cuda:0'), 2 * bytesNamed(asked, 'weights', 'cuda:0'))
  // A card that updates weights itself has D and W_0 of them, too: W_0 is there already for `subtract`.
  const updating = { ...asked, update: 'device', split: 'examples' } as const
  t.equal(bytesNamed(asked, 'update', 'cuda:0'), 0)
  t.equal(bytesNamed({ ...updating, examples: 20, batch: 20 }, 'update', 'cuda:0'), 2 * 4 * weights)
  // TensorFlow on the processor keeps its copy in the machine's memory, in a process.
  const lane = question(spec, ['tensorflow:cpu', 'tensorflow:cpu'])
  t.equal(bytesNamed(lane, 'copies'), 2 * 4 * (weights + initial + frozen))
  t.same(
    planMemory(question(spec, ['tensorflow:gpu:1', 'tensorflow:cpu'])).rooms.map(r => r.name),
    ['machine', 'tensorflow:gpu:1'],
  )
})

t.test('the largest width fits each memory, and the next one does not', async t => {
  const network = NETWORKS.paper!
  const asked = question(network, ['cuda', 'cuda'])
  const bytes = 2 ** 32
  const at = (room: string, m: number) =>
    roomNamed(planMemory({ ...asked, network: { ...network, width: m } }), room).total
  const widths = ['machine', 'cuda:0'].map(room => {
    const width = largestWidth(asked, room, bytes)
    t.ok(at(room, width) <= bytes && at(room, width + 2) > bytes, `${room}: ${width}`)
    return width
  })
  // Of the m × m layer alone W, W_0 and D are 12 m² bytes on the host, two copies of W 8 m² on the card.
  const bounds = [12, 8].map(each => Math.sqrt(bytes / each))
  for (const [i, width] of widths.entries())
    t.ok(width < bounds[i]! && width > 0.75 * bounds[i]!, `${width}`)
  t.equal(largestWidth(asked, 'machine', 2 ** 20), 0)
})

t.test('a run is warned by the estimate, and refused by shapes alone', async t => {
  const network = { ...NETWORKS.paper!, width: 16384 }
  const asked = question(network, ['cuda:0'])
  const { exact, total } = roomNamed(planMemory(asked), 'cuda:0')
  const check = (bytes: number | null) => checkMemory(asked, new Map([['cuda:0', bytes]]))
  t.same(check(total), [])
  t.same(check(null), [], 'nothing is said of a card that does not say what it has')
  const [warning] = check(total - 1)
  t.match(warning, /network\.width 16384 may be needed.*cuda:0 is .* GiB; the largest width/)
  t.match(check(exact), [/may be needed/])
  const refusal = t.throws(() => check(exact - 1), {
    code: 'CONFIG',
    message: /arrays take .*the memory of cuda:0 is .*largest width.*saddle plan/,
  }) as unknown as { fields: { largestWidth: number } }
  const { largestWidth: width } = refusal.fields
  t.equal(width, largestWidth(asked, 'cuda:0', exact - 1))
  t.same(
    checkMemory({ ...asked, network: { ...network, width } }, new Map([['cuda:0', exact - 1]])),
    [],
  )
})

t.test('ranks of one machine are counted together', async t => {
  const asked = question({ ...NETWORKS.paper!, width: 16384 }, ['cuda:0'])
  const { exact, total } = roomNamed(planMemory(asked), 'cuda:0')
  const check = (bytes: number, card: number) =>
    checkMemory(asked, new Map([['cuda:0', bytes]]), { machine: 1, card })
  t.same(check(3 * total, 3), [])
  t.match(check(3 * total - 1, 3), [/the share of each of 3 ranks in the memory of cuda:0 is/])
  t.throws(() => check(3 * exact - 1, 3), { code: 'CONFIG', message: /each of 3 ranks/ })
  // So many ranks that what is left of this machine's memory is none.
  t.throws(() => checkMemory(asked, new Map(), { machine: 2 ** 40, card: 1 }), {
    message: /the share of each of \d+ ranks in the memory of this machine .*or ranks on it/,
  })
})

t.test('the plan grows with the width as the measured peak does', async t => {
  const script = fileURLToPath(new URL('../fixtures/peak.mjs', import.meta.url))
  const widths = [1024, 4096]
  const [few, many] = widths.map(width =>
    JSON.parse(execFileSync(process.execPath, [script, `${width}`, '2'], { encoding: 'utf8' })),
  )
  const blas = question({ ...NETWORKS.paper!, inputs: 16, outputs: 1 }, ['blas', 'blas'], {
    examples: 256,
    testExamples: 0,
  })
  const [planFew, planMany] = widths.map(
    width => machine({ ...blas, network: { ...blas.network, width } }).total,
  )
  const measured = many - few
  const planned = planMany! - planFew!
  // The peak moves by some ten MiB with the moments at which garbage is collected.
  t.ok(planned > 0.8 * measured, `planned ${planned >> 20} MiB, measured ${measured >> 20} MiB`)
  t.ok(planned < 1.35 * measured, `planned ${planned >> 20} MiB, measured ${measured >> 20} MiB`)
})
