import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ConfigInput, devices, type TrainEvent, train } from '@saddle/distributed'
import t from 'tap'
import { deep } from '../fixtures/configs.js'
import { metrics, workersReady } from '../fixtures/lines.js'

const built = fileURLToPath(
  new URL('../../../../.tensorflow/node_modules/@tensorflow/tfjs-node', import.meta.url),
)
const skip = existsSync(`${built}/lib/napi-v8/tfjs_binding.node`)
  ? false
  : 'no addon: node scripts/build-tensorflow-addon.mjs makes one'
process.env.SADDLE_TENSORFLOW = skip === false ? built : '/no/such/folder'

function on(names: string[]): ConfigInput {
  const { backend: _, ...compute } = deep.compute!
  return {
    ...deep,
    descent: { ...deep.descent, steps: 5 },
    compute: { ...compute, devices: names },
  }
}

t.test(
  'one and two processes of TensorFlow give the same bits, close to the reference',
  { skip },
  async t => {
    const folder = t.testdir()
    const one = await train(on(['tensorflow:cpu']), { out: `${folder}/one` })
    const two = await train(on(['tensorflow:cpu', 'tensorflow:cpu']), { out: `${folder}/two` })
    t.equal(two.weights, one.weights)
    t.same(metrics(`${folder}/two`), metrics(`${folder}/one`))
    t.equal(two.backend, 'tensorflow:cpu')
    const ready = workersReady(`${folder}/two`)
    t.same(
      ready.map(({ device, visible }) => [device, visible]),
      [
        ['tensorflow:cpu', ''],
        ['tensorflow:cpu', ''],
      ],
    )
    const reference = await train(on(['cpu']), { out: `${folder}/reference` })
    // float32 sums in another order, over 5 steps of an attack that may take another of two equal points.
    t.ok(Math.abs(one.train!.robustLoss - reference.train!.robustLoss) < 1e-4)
    t.ok(Math.abs(one.bestLoss - reference.bestLoss) < 1e-4)
  },
)

t.test(
  'a process of TensorFlow that is killed, and a card that is full, change no bit',
  { skip },
  async t => {
    const folder = t.testdir({ 'kill-0': '', 'card-1': '' })
    const config = {
      ...on(['tensorflow:cpu', 'tensorflow:cpu']),
      descent: { ...deep.descent, steps: 3 },
    }
    const clean = await train(config, { out: `${folder}/clean` })
    process.env.SADDLE_TEST_FAULTS = folder
    const lost: string[] = []
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'worker-lost') lost.push(event.reason)
    }
    const laneFile = new URL('../fixtures/faulty.lane.mjs', import.meta.url)
    const summary = await train(config, { out: `${folder}/run`, laneFile, onEvent })
    t.equal(summary.weights, clean.weights)
    t.match(lost.sort(), [/^OOM when allocating/, /tensorflow:cpu was killed \(SIGKILL\)/])
  },
)

t.test('a card that is not there is refused before anything is written', { skip }, async t => {
  const out = `${t.testdir()}/run`
  await t.rejects(train(on(['tensorflow:gpu:7']), { out }), {
    code: 'BACKEND',
    message: /no GPU that it can use with CUDA_VISIBLE_DEVICES=7/,
  })
  t.notOk(existsSync(out))
})

t.test('devices finds it in a process of its own', { skip }, async t => {
  const report = (await devices()).find(({ backend }) => backend === 'tensorflow')!
  t.match(report, {
    available: true,
    lives: 'process',
    found: /@tensorflow\/tfjs-node 4\.22/,
    devices: [{ id: 'tensorflow:cpu' }],
  })
})

t.test('without an addon it is refused, with what to install', async t => {
  process.env.SADDLE_TENSORFLOW = '/no/such/folder'
  const out = `${t.testdir()}/run`
  await t.rejects(train(on(['tensorflow:cpu']), { out }), {
    code: 'BACKEND',
    message: /SADDLE_TENSORFLOW=\/no\/such\/folder.*tfjs-node-gpu.*docs\/devices\.md/,
  })
  t.notOk(existsSync(out))
})
