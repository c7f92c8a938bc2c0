import { networkFrom, sliceParameters, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { describe, passesOf, SPECS, setUp, TOLERANCE, worst } from './cases.js'

const SHALLOW = SPECS.filter(({ depth }) => depth === 1)

/** Slices of unequal heights that cut all rows. */
function cut(rows: number) {
  const ends = [0, 1, Math.ceil(rows / 2), rows]
  return ends.slice(1).map((stop, i) => ({ start: ends[i]!, stop }))
}

t.test(
  'outputs and input gradients of slices add up to the whole, rows of gradients are its rows',
  async t => {
    await useBackend('cpu')
    for (const spec of SHALLOW) {
      const { network, parameters, x, c } = setUp(spec)
      const whole = passesOf(network, parameters, x, c)
      const slices = cut(parameters.trained[0]!.weights.rows).map(({ start, stop }) =>
        passesOf(network, sliceParameters(parameters, start, stop), x, c),
      )
      const sum = (pick: (passes: typeof whole) => ArrayLike<number>) =>
        Array.from(pick(whole), (_, i) => slices.reduce((s, slice) => s + pick(slice)[i]!, 0))
      const errors = {
        outputs: worst(
          sum(p => p.outputs),
          whole.outputs,
        ),
        inputGradient: worst(
          sum(p => p.inputGradient),
          whole.inputGradient,
        ),
        weights: Math.max(
          ...whole.weightGradients.map((gradient, i) =>
            worst(
              slices.flatMap(slice => [...slice.weightGradients[i]!]),
              gradient,
            ),
          ),
        ),
      }
      t.ok(
        Object.values(errors).every(e => e < TOLERANCE),
        `${describe(spec)}: ${JSON.stringify(errors)}`,
      )
      t.same(slices[0]!.names, whole.names)
    }
  },
)

t.test(
  'a slice is a view: it follows the weights, and what is 0 at the start is 0 in every slice',
  async t => {
    await useBackend('cpu')
    for (const spec of SHALLOW.filter(({ init }) => init !== 'paper')) {
      const network = networkFrom(spec)
      const parameters = network.initialise(7)
      const slice = sliceParameters(parameters, 1, 4)
      const { x, c } = setUp(spec)
      t.ok(
        passesOf(network, slice, x, c).outputs.every(f => f === 0),
        describe(spec),
      )
      parameters.trained[0]!.weights.data.fill(0.5)
      t.ok(
        passesOf(network, slice, x, c).outputs.some(f => f !== 0),
        describe(spec),
      )
    }
    t.equal(tf.memory().numTensors, 0)
  },
)

t.test('slices of deeper networks, and rows that are none, are refused', async t => {
  const deep = setUp(SPECS.find(({ depth }) => depth === 2)!).parameters
  t.throws(() => sliceParameters(deep, 0, 2), { code: 'SHAPE', message: /layers\.2/ })
  const shallow = setUp(SHALLOW[0]!).parameters
  for (const [start, stop] of [
    [-1, 2],
    [3, 3],
    [0, 11],
  ] as const)
    t.throws(() => sliceParameters(shallow, start, stop), { code: 'RANGE', message: /≤ 10/ })
})
