import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { registerBackend } from '@saddle/core'
import {
  type ConfigInput,
  configHash,
  devices,
  parseConfig,
  resume,
  train,
} from '@saddle/distributed'
import t from 'tap'
import { prepare } from '../../dist/coordinator/prepare.js'
import { type Device, parseDevice } from '../../dist/devices/device.js'
import { chooseDevices, dealDevices, findDevices } from '../../dist/devices/resolve.js'
import { shareOf } from '../../dist/devices/share.js'
import { LaneChild } from '../../dist/lanes/child.js'
import { deep } from '../fixtures/configs.js'
import { ranksInProcess } from '../fixtures/in-process.js'
import { workersReady } from '../fixtures/lines.js'

// A backend with numbered devices, of which there is no second: `cards` computes nothing.
registerBackend({
  name: 'cards',
  description: 'three cards that are not there',
  needs: 'nothing',
  lives: 'thread',
  sharesMemory: true,
  preference: null,
  async load() {
    const tf = await import('@tensorflow/tfjs-core')
    if (tf.findBackendFactory('cards') === null)
      tf.registerBackend('cards', () => new tf.KernelBackend())
  },
  devices: () =>
    [0, 1, 2].map(ordinal => ({
      ordinal,
      name: `Card ${ordinal}`,
      memoryBytes: 2 ** 20,
      computeCapability: '9.0',
      driver: '550.1',
    })),
})

const NAMES: [id: string, device: Omit<Device, 'id'>][] = [
  ['wasm', { backend: 'wasm', ordinal: null, process: null }],
  ['process:wasm', { backend: 'wasm', ordinal: null, process: { visible: '' } }],
  ['cards:2', { backend: 'cards', ordinal: 2, process: null }],
  ['process:cards:2', { backend: 'cards', ordinal: 0, process: { visible: '2' } }],
  ['tensorflow:gpu:3', { backend: 'tensorflow', ordinal: 0, process: { visible: '3' } }],
  ['tensorflow:gpu', { backend: 'tensorflow', ordinal: 0, process: { visible: '0' } }],
  ['tensorflow:cpu', { backend: 'tensorflow', ordinal: null, process: { visible: '' } }],
]

t.test('names of devices: backend, number, process, visible card', async t => {
  for (const [id, device] of NAMES) t.same(parseDevice(id), { id, ...device })
})

t.test('a name that is none is a problem of the configuration, with what there is', async t => {
  for (const [id, expected] of Object.entries({
    'gpu:0': /Unknown backend "gpu".*wasm/,
    'wasm:0': /cores are not numbered; write "wasm"/,
    'cards:one': /BACKEND:NUMBER/,
    tensorflow: /tensorflow:cpu or tensorflow:gpu:NUMBER/,
    'tensorflow:gpu:0:1': /tensorflow:gpu:NUMBER/,
    'process:': /Unknown backend ""/,
  }))
    t.throws(() => parseDevice(id), { message: expected }, id)
  const config = { ...deep, compute: { devices: ['cpu', 'wasm:0'] } }
  t.throws(() => parseConfig(config), {
    code: 'CONFIG',
    message: /compute\.devices\[1\].*not numbered/s,
  })
})

t.test('a number that is not there is refused, with those that are', async t => {
  await t.rejects(
    chooseDevices({ backend: 'auto', workers: 'auto', devices: ['cards:1', 'cards:7'] }),
    {
      code: 'BACKEND',
      message: /cards:7 is not there: cards sees cards:0 \(Card 0\), cards:1 \(Card 1\), cards:2/,
    },
  )
})

t.test('cards say what memory they have; a run is planned and checked by it', async t => {
  const { cards } = await chooseDevices({
    backend: 'auto',
    workers: 'auto',
    devices: ['cards:2', 'cards:2', 'wasm'],
  })
  t.same([...cards], [['cards:2', 2 ** 20]])
  const reported = (await devices()).find(({ backend }) => backend === 'cards')!
  t.match(reported.devices[1], {
    id: 'cards:1',
    name: 'Card 1',
    memoryBytes: 2 ** 20,
    computeCapability: '9.0',
    driver: '550.1',
    autoWorkers: 0,
  })
  const wasm = (await devices()).find(({ preferred }) => preferred)!
  t.ok(wasm.devices[0]!.autoWorkers >= 1, 'one a core')
  const out = `${t.testdir()}/run`
  const wide: ConfigInput = {
    ...deep,
    network: { ...deep.network, width: 1024 },
    compute: { ...deep.compute, backend: 'auto', devices: ['cards:2'] },
  }
  await t.rejects(train(wide, { out }), {
    code: 'CONFIG',
    message: /the memory of cards:2 is .*saddle plan/,
  })
  t.notOk(existsSync(out))
})

t.test('devices are dealt to workers in turn; without a list, those of the backend', async t => {
  const ids = async (wanted: object) => {
    const all = { backend: 'auto', workers: 'auto' as const, devices: 'auto' as const, ...wanted }
    return (await chooseDevices(all)).devices.map(({ id }) => id)
  }
  t.same(await ids({ devices: ['wasm', 'cpu'] }), ['wasm', 'cpu'])
  t.same(await ids({ devices: ['wasm', 'cpu'], workers: 3 }), ['wasm', 'cpu', 'wasm'])
  t.same(await ids({ backend: 'wasm', workers: 3 }), ['wasm', 'wasm', 'wasm'])
  t.same(await ids({ backend: 'cards' }), ['cards:0', 'cards:1', 'cards:2'])
  t.same(await ids({ backend: 'cards', workers: 4 }), ['cards:0', 'cards:1', 'cards:2', 'cards:0'])
})

t.test('ranks of one machine share its cards, or its cores', async t => {
  for (let n = 1; n <= 9; n++)
    for (let count = 1; count <= 9; count++) {
      const all = Array.from({ length: n }, (_, i) => i)
      const shares = Array.from({ length: count }, (_, index) => shareOf(all, { index, count }))
      const given = shares.flatMap(({ own }) => own)
      const sizes = shares.map(({ own }) => own.length)
      t.ok(
        Math.min(...sizes) >= 1 && Math.max(...sizes) - Math.min(...sizes) <= 1,
        `${n} to ${count}`,
      )
      t.same([...new Set(given)], all, 'every card is used')
      const most = Math.max(...all.map(card => given.filter(g => g === card).length))
      t.same([...new Set(shares.map(({ sharers }) => sharers))], [most])
    }
  const auto = { workers: 'auto', devices: 'auto' } as const
  const cards = await findDevices({ backend: 'cards', devices: 'auto' })
  const dealt = (index: number, workers: number | 'auto' = 'auto') =>
    dealDevices(cards, { ...auto, backend: 'cards', workers }, { index, count: 2 })
  t.same(
    [dealt(0), dealt(1), dealt(1, 3)].map(({ devices }) => devices.map(({ id }) => id)),
    [['cards:0'], ['cards:1', 'cards:2'], ['cards:1', 'cards:2', 'cards:1']],
  )
  const list = ['cards:0', 'cards:1']
  const listed = await findDevices({ backend: 'auto', devices: list })
  const named = dealDevices(
    listed,
    { ...auto, backend: 'auto', devices: list },
    { index: 0, count: 2 },
  )
  t.same(
    named.devices.map(({ id }) => id),
    list,
    'a list is that of each rank',
  )
  const cores = await findDevices({ backend: 'wasm', devices: 'auto' })
  const workers = (count: number) =>
    dealDevices(cores, { ...auto, backend: 'wasm' }, { index: 0, count }).devices.length
  const all = availableParallelism()
  t.same([1, 2, all + 1].map(workers), [all, Math.max(1, all >> 1), 1])
  t.equal(cores.identity, '')
  t.equal(
    cards.identity,
    '0 of all 1 of all 2 of all',
    'what does not say what it is goes by its number',
  )
})

t.test('ranks that see the same cards are told from those with cards of their own', async t => {
  const ranks = ranksInProcess(4)
  const places = await Promise.all(ranks.map((rank, r) => rank.placeHere('abab'[r]!)))
  t.same(places, [
    { here: 4, count: 2, index: 0 },
    { here: 4, count: 2, index: 0 },
    { here: 4, count: 2, index: 1 },
    { here: 4, count: 2, index: 1 },
  ])
})

t.test('the ranks of a machine are counted against its memory', async t => {
  const config = parseConfig({ ...deep, compute: { ...deep.compute, backend: 'wasm' } })
  const chosen = await chooseDevices({ ...config.compute, workers: 1 })
  const begin = (here: number) =>
    prepare(`${t.testdir()}/run`, config, '.', { ...chosen, here }, { rank: 0, size: 1 })
  t.same((await begin(1)).warnings, [])
  await t.rejects(begin(2 ** 40), {
    code: 'CONFIG',
    message: /the share of each of 1099511627776 ranks in the memory of this machine/,
  })
})

t.test('each process reports the CUDA_VISIBLE_DEVICES that it got', async t => {
  const file = new URL('../fixtures/environment.lane.mjs', import.meta.url).href
  const expected = { 'tensorflow:gpu:0': '0', 'tensorflow:gpu:1': '1', 'tensorflow:cpu': '' }
  // All at once, as the lanes of a run are.
  await Promise.all(
    Object.entries(expected).map(async ([id, visible]) => {
      const device = parseDevice(id)
      const child = new LaneChild({ device, memoryFd: null, deadline: 60, file })
      t.same(await child.ask({ kind: 'probe', device }), { visible, order: 'PCI_BUS_ID' }, id)
      child.kill()
    }),
  )
})

t.test('mixed devices train, and the log says what is not promised', async t => {
  const out = `${t.testdir()}/run`
  const config: ConfigInput = {
    ...deep,
    descent: { ...deep.descent, steps: 3 },
    compute: { shard: 5, devices: ['wasm', 'process:cpu'] },
  }
  const summary = await train(config, { out })
  t.same([summary.backend, summary.workers, summary.stepsDone], ['cpu+wasm', 2, 3])
  t.same(new Set(workersReady(out).map(({ device }) => device)), new Set(['wasm', 'process:cpu']))
  t.match(readFileSync(`${out}/log.jsonl`, 'utf8'), /devices of 2 kinds \(cpu, wasm\).*same bits/)
})

t.test('the hash of a configuration holds the kinds of devices, not how many or where', async t => {
  const hash = (compute: object) => configHash(parseConfig({ ...deep, compute }))
  const wasm = hash({ backend: 'wasm' })
  t.equal(hash({ backend: 'wasm', devices: ['wasm', 'process:wasm'], deadline: 7 }), wasm)
  t.not(hash({ backend: 'wasm', devices: ['wasm', 'cpu'] }), wasm)
  t.equal(hash({ devices: ['cpu', 'wasm'] }), hash({ devices: ['wasm', 'process:cpu', 'cpu'] }))
  t.not(hash({ devices: ['tensorflow:cpu'] }), hash({ devices: ['tensorflow:gpu:0'] }))
  t.equal(hash({ devices: ['tensorflow:gpu:1'] }), hash({ devices: ['tensorflow:gpu:0'] }))
})

t.test(
  'a run goes on on other devices of its kinds, to the same bits, and on no others',
  async t => {
    const folder = t.testdir()
    const [whole, out] = [`${folder}/whole`, `${folder}/moved`]
    const config: ConfigInput = { ...deep, descent: { ...deep.descent, steps: 3 } }
    const expected = await train(config, { out: whole })
    const stop = new AbortController()
    const half = await train(config, {
      out,
      signal: stop.signal,
      onEvent: ({ kind }) => {
        if (kind === 'step') stop.abort()
      },
    })
    t.match(half, { status: 'stopped', stepsDone: 1 })
    const refusals: [devices: string[], message: RegExp][] = [
      [['cpu'], /began on wasm and can't go on on cpu: the last bits/],
      [['wasm', 'cpu'], /go on on cpu\+wasm.*devices of wasm/],
      [['wasm:1'], /cores are not numbered/],
    ]
    for (const [devices, message] of refusals)
      await t.rejects(resume(out, { devices }), { code: 'CONFIG', message }, devices.join())
    const moved = await resume(out, { devices: ['wasm', 'process:wasm'] })
    t.equal(moved.weights, expected.weights)
    t.match(moved, { status: 'done', workers: 2 })
    // Neurons that were split can't be by processes; the choice of one hidden layer is in the run's hash.
    const shallow: ConfigInput = { ...deep, network: { ...deep.network, depth: 1 } }
    const one = { ...shallow, descent: { ...deep.descent, steps: 1 } }
    await train(one, { out: `${folder}/shallow` })
    await t.rejects(resume(`${folder}/shallow`, { devices: ['process:wasm'] }), {
      code: 'CONFIG',
      message: /compute\.split: auto.*can only split examples/,
    })
  },
)
