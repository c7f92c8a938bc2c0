import {
  activationFrom,
  type Displacements,
  deepReluNetwork,
  type KernelFunction,
  kernelFunction,
  kernelInterpolant,
  type Network,
  type Parameters,
  restoreWeights,
  tangentComparator,
  theorem52Comparator,
  twoLayerKernel,
  twoLayerNetwork,
  useBackend,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { displaced, spherePoints } from '../descent/adversary.js'

await useBackend('wasm')

const [N, D] = [8, 4]
const { inputs, x, y } = spherePoints(N, D, 31)
const labels = y.dataSync<'float32'>()
const fresh = spherePoints(64, D, 32)

/** ‖W† − W_0‖_F of a network without folded matrices. */
const distanceOf = (displacements: Displacements): number => {
  let sum = 0
  for (const { data } of Object.values(displacements)) for (const v of data) sum += v * v
  return Math.sqrt(sum)
}

const outputsAt = (
  network: Network,
  seed: number,
  displacements: Displacements,
  points: tf.Tensor2D,
) => {
  const parameters: Parameters = displaced(network, seed, displacements, restoreWeights)
  return tf.tidy(() => network.forward(parameters, points).dataSync<'float32'>())
}

/** Root mean square of f(W†, ·) − f* over 64 points of the sphere that W† was not made for. */
const errorOf = (network: Network, seed: number, target: KernelFunction, w: Displacements) => {
  const f = outputsAt(network, seed, w, fresh.x)
  let squares = 0
  for (let i = 0; i < f.length; i++)
    squares += (f[i]! - target.evaluate(fresh.inputs.subarray(i * D, (i + 1) * D))) ** 2
  return Math.sqrt(squares / f.length)
}

for (const activation of ['gs:0.5', 'sincos', 'relu'])
  t.test(
    `Theorem 5.2's network with ${activation} lies at the RKHS norm and computes f*`,
    async t => {
      const kernel = twoLayerKernel(activationFrom(activation))
      const target = kernelInterpolant(kernel, inputs, labels, D)
      const R = target.norm
      const errors = [256, 16384].map(width => {
        const network = twoLayerNetwork({ inputs: D, width, activation })
        const seed = width
        const w = theorem52Comparator(network, network.initialise(seed), target)
        const ratio = distanceOf(w) / R
        // ‖W† − W_0‖² is a mean of m/2 independent squares: off by a few times √(2/m).
        t.ok(Math.abs(ratio - 1) < 4 * Math.sqrt(2 / width), `m = ${width}: radius/R = ${ratio}`)
        const error = errorOf(network, seed, target, w)
        // Random features: RMS ≤ C1 R √(2/m); the rest is O(R³/m), and for relu a share of flipped signs.
        const bound = activationFrom(activation).c1 * R * Math.sqrt(2 / width)
        t.ok(error < 1.5 * bound, `m = ${width}: RMS ${error} against ${bound}`)
        return error
      })
      // 64 times the width: √64 = 8 times closer, up to the luck of two draws.
      t.ok(errors[1]! < errors[0]! / 3, `${errors}`)
    },
  )

t.test('a network of coefficients, not of data: f* = K(·, z)', async t => {
  const kernel = twoLayerKernel(activationFrom('sincos'))
  const z = inputs.subarray(0, D)
  const target = kernelFunction(kernel, z, [2], D)
  t.ok(Math.abs(target.norm - 2) < 1e-6, '‖2 K(·, z)‖ = 2 √K(z, z), and K(z, z) = 1')
  t.ok(Math.abs(target.evaluate(z) - 2) < 1e-6)
})

t.test('the explicit network is refused where it is not one', async t => {
  const kernel = twoLayerKernel(activationFrom('relu'))
  const target = kernelFunction(kernel, inputs, labels, D)
  const build = (network: Network) => () =>
    theorem52Comparator(network, network.initialise(1), target)
  t.throws(build(deepReluNetwork({ inputs: D, width: 16 })), { code: 'CONFIG' })
  t.throws(build(twoLayerNetwork({ inputs: D, width: 16, outputs: 3 })), { code: 'CONFIG' })
  t.throws(build(twoLayerNetwork({ inputs: D + 1, width: 16 })), { code: 'SHAPE' })
})

for (const [title, network] of [
  ['eq. (1), H = 1', (width: number) => deepReluNetwork({ inputs: D, width })],
  ['eq. (1), H = 2', (width: number) => deepReluNetwork({ inputs: D, width, depth: 2 })],
  ['eq. (4), gs', (width: number) => twoLayerNetwork({ inputs: D, width, activation: 'gs:0.5' })],
] as const)
  t.test(`the tangent comparator reaches its targets as the width grows: ${title}`, async t => {
    const worst = [64, 1024].map(width => {
      const errors = [1, 2, 3].map(seed => {
        const net = network(width)
        const w = tangentComparator(net, net.initialise(seed), x, labels)
        const f = outputsAt(net, seed, w, x)
        return f.reduce((largest, v, i) => Math.max(largest, Math.abs(v - labels[i]!)), 0)
      })
      return errors.reduce((a, b) => a + b) / errors.length
    })
    t.ok(worst[1]! < worst[0]! / 1.5, `error ${worst[0]} at m = 64, ${worst[1]} at 1024`)
    t.ok(worst[1]! < 0.6)
  })
