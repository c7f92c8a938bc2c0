import '@tensorflow/tfjs'
import { networkFrom, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { describe, N, passesOf, SPECS, setUp, TOLERANCE, worst } from './cases.js'
import { normals, scoped } from './reference.js'

const noBlas = await useBackend('blas').then(
  () => false as const,
  (error: Error) => error.message,
)

for (const backend of ['cpu', 'wasm', 'blas']) {
  const skip = backend === 'blas' && noBlas
  t.test(
    `on ${backend} one pass gives both gradients, and its adjoint that in x again`,
    { skip },
    async t => {
      await useBackend(backend)
      for (const spec of SPECS) {
        const { network, parameters, x, c } = setUp(spec)
        const wanted = passesOf(network, parameters, x, c)
        const before = tf.memory().numTensors
        const errors = scoped(() => {
          const points = tf.tensor2d(x, [N, spec.inputs])
          const cotangent = () => tf.tensor2d(c, [N, spec.outputs])
          const joint = network.jointGradients(parameters, points, cotangent)
          const again = network.firstBlockGradient(parameters, points, joint.adjoint)
          t.same(
            joint.factors.map(({ name }) => name),
            wanted.names,
          )
          const weights = joint.factors.map(({ signal, input }, i) =>
            worst(tf.matMul(signal, input).dataSync(), wanted.weightGradients[i]!),
          )
          return {
            outputs: worst(joint.outputs.dataSync(), wanted.outputs),
            input: worst(joint.gradient.dataSync(), wanted.inputGradient),
            weights: Math.max(...weights),
            again: worst(again.dataSync(), wanted.inputGradient),
          }
        })
        t.ok(
          Object.values(errors).every(e => e < TOLERANCE),
          `${describe(spec)}: ${JSON.stringify(errors)}`,
        )
        t.equal(tf.memory().numTensors, before, 'nothing is left')
      }
    },
  )
}

t.test('the adjoint is ∂/∂X₁, and the block alone is what changes with x', async t => {
  await useBackend('cpu')
  for (const depth of [1, 2, 3])
    for (const outputs of [1, 3]) {
      const shape = { inputs: 4, width: 10, depth, outputs, activation: 'relu' } as const
      const spec = { family: 'deep', init: 'paper', first: 'dense', ...shape } as const
      const { network, parameters, x, c } = setUp(spec)
      const [got, wanted] = scoped(() => {
        const tensorOf = (m: { rows: number; cols: number; data: Float32Array }) =>
          tf.tensor2d(Float32Array.from(m.data), [m.rows, m.cols])
        const [w1, ...above] = parameters.trained.map(({ weights }) => tensorOf(weights))
        const [a, map] = [parameters.frozen.output!, parameters.frozen.input!].map(tensorOf)
        const block = (points: tf.Tensor) =>
          tf.relu(tf.matMul(tf.matMul(points, map!, false, true), w1!, false, true))
        const rest = (hidden: tf.Tensor) => {
          let values = hidden
          for (const w of above) values = tf.relu(tf.matMul(values, w, false, true))
          return tf.sum(tf.mul(tf.matMul(values, a!), tf.tensor2d(c, [N, outputs])))
        }
        const points = tf.tensor2d(x, [N, 4])
        const adjoint = tf.grad(rest)(block(points))
        const elsewhere = tf.tensor2d(normals(N * 4, 77, 0.5), [N, 4])
        const there = tf.grad(p => tf.sum(tf.mul(block(p), adjoint)))(elsewhere)
        const joint = network.jointGradients(parameters, points, () => tf.tensor2d(c, [N, outputs]))
        const gradient = network.firstBlockGradient(parameters, elsewhere, joint.adjoint)
        return [
          [...tf.transpose(joint.adjoint[0]!).dataSync(), ...gradient.dataSync()],
          [...adjoint.dataSync(), ...there.dataSync()],
        ]
      })
      const error = worst(got!, wanted!)
      t.ok(error < TOLERANCE, `${describe(network.spec)}: ${error}`)
    }
})

t.test('in equation (4) the adjoints are ±a/√m times the cotangents, wherever x is', async t => {
  await useBackend('cpu')
  const network = networkFrom({
    family: 'two-layer',
    activation: 'gs:0.5',
    inputs: 4,
    width: 10,
    depth: 1,
    outputs: 1,
    init: 'symmetric',
  })
  const parameters = network.initialise(3)
  const c = normals(N, 5)
  const [plus, minus] = scoped(() => {
    const points = tf.tensor2d(normals(N * 4, 3), [N, 4])
    const { adjoint } = network.jointGradients(parameters, points, () => tf.tensor2d(c, [N, 1]))
    return adjoint.map(tensor => tensor.dataSync())
  })
  const a = parameters.frozen.output!.data
  const wanted = Array.from(plus!, (_, k) => (a[Math.floor(k / N)]! * c[k % N]!) / Math.sqrt(10))
  t.ok(worst(plus!, wanted) < 1e-6)
  t.same(
    [...minus!],
    [...plus!].map(value => -value),
  )
})
